package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// soon bounds the waits of a test. It is long because the machine may be busy.
const soon = 30 * time.Second

var quiet = slog.New(slog.DiscardHandler)

func anEvent() event.Event {
	id := uuid.New()
	return event.New(care.Command{Actor: care.SystemActor("test")}, "device.removed", care.Ref{Kind: "device", ID: id},
		event.Device{DeviceID: id, UserID: id, Platform: "ios"})
}

func appendTo(ctx context.Context, pool *pgxpool.Pool, events ...event.Event) error {
	return postgres.InTx(ctx, pool, func(tx pgx.Tx) error { return outbox.Append(ctx, tx, events...) })
}

func rows(t *testing.T, pool *pgxpool.Pool) []db.Outbox {
	t.Helper()
	r, err := pool.Query(t.Context(), "SELECT * FROM outbox ORDER BY id")
	require.NoError(t, err)
	all, err := pgx.CollectRows(r, pgx.RowToStructByPos[db.Outbox])
	require.NoError(t, err)
	for i := range all {
		require.WithinDuration(t, time.Now(), all[i].AppendedAt, time.Hour)
		all[i].AppendedAt = time.Time{} // Differs per row.
	}
	return all
}

func TestAppend_StoresTheSameRowForOneEventAndForMany(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	bare, full := anEvent(), anEvent().AtVersion(3)
	id, text, empty := uuid.New(), "text", ""
	bare.CorrelationID, bare.Traceparent = &empty, &empty
	full.ClinicID, full.PersonID, full.CauseID, full.CorrelationID, full.Traceparent, full.Imported = &id, &id, &id, &text, &text, true
	require.NoError(t, appendTo(t.Context(), d.App))
	require.NoError(t, appendTo(t.Context(), d.App, bare))
	require.NoError(t, appendTo(t.Context(), d.App, full))
	require.NoError(t, appendTo(t.Context(), d.App, bare, full))
	got := rows(t, d.Worker)
	require.Len(t, got, 4)
	for i := range got {
		got[i].ID = 0
	}
	require.Equal(t, got[:2], got[2:])
	require.Nil(t, got[0].CorrelationID)
	require.Nil(t, got[0].ClinicID)
	require.Equal(t, int64(3), *got[1].SubjectVersion)
	require.Equal(t, id, *got[1].ClinicID)
	require.JSONEq(t, string(full.Data), string(got[1].Data))
}

func TestAppend_KeepsTheOrderOfTheEvents(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	events := make([]event.Event, 1000)
	for i := range events {
		events[i] = anEvent()
	}
	require.NoError(t, appendTo(t.Context(), d.App, events...))
	for i, r := range rows(t, d.Worker) {
		require.Equal(t, events[i].ID, r.EventID)
	}
}

// faulty are events that Append and outbox_append refuse, with a part of the error.
var faulty = []struct {
	name string
	harm func(e *event.Event)
	says string
}{
	{"a type that the catalog has not", func(e *event.Event) { e.Type = "device.exploded" }, "type"},
	{"no type", func(e *event.Event) { e.Type = "" }, "type"},
	{"data without a required field", func(e *event.Event) { e.Data = json.RawMessage(`{"deviceId":"x","platform":"ios"}`) }, "data.userId"},
	{"data that is a list of the fields' names", func(e *event.Event) { e.Data = json.RawMessage(`["deviceId","userId","platform"]`) }, "data"},
	{"data that is null", func(e *event.Event) { e.Data = json.RawMessage(`null`) }, "data"},
	{"no actor", func(e *event.Event) { e.ActorID = "" }, "actor"},
	{"an actor of 201 characters", func(e *event.Event) { e.ActorID = strings.Repeat("ä", 201) }, "actor"},
	{"no role", func(e *event.Event) { e.ActorRole = "" }, "role"},
	{"no source", func(e *event.Event) { e.Source = "" }, "source"},
	{"no subject", func(e *event.Event) { e.Subject = "" }, "subject"},
	{"a subject without an id", func(e *event.Event) { e.Subject = "device/" }, "subject"},
	{"a subject with a long id", func(e *event.Event) { e.Subject = "device/" + strings.Repeat("x", 101) }, "subject"},
	{"a subject with a name in it", func(e *event.Event) { e.Subject = "device/Mrs Smith" }, "subject"},
	{"a subject of two lines", func(e *event.Event) { e.Subject = "device/1\n" }, "subject"},
	{"a version of zero", func(e *event.Event) { v := int64(0); e.SubjectVersion = &v }, "version"},
	{"a correlation id of 201 characters", func(e *event.Event) { s := strings.Repeat("x", 201); e.CorrelationID = &s }, "correlation"},
	{"a trace of 101 characters", func(e *event.Event) { s := strings.Repeat("x", 101); e.Traceparent = &s }, "traceparent"},
}

func TestAppend_RefusesAnIncompleteEventAndNamesTheField(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	cases := append(slices.Clip(faulty), []struct {
		name string
		harm func(e *event.Event)
		says string
	}{
		{"no id", func(e *event.Event) { e.ID = uuid.Nil }, "id"},
		{"no time", func(e *event.Event) { e.Time = time.Time{} }, "time"},
		{"no data", func(e *event.Event) { e.Data = nil }, "data"},
	}...)
	for _, tc := range cases {
		e := anEvent()
		tc.harm(&e)
		err := appendTo(t.Context(), d.App, anEvent(), e)
		require.ErrorContains(t, err, tc.says, tc.name)
		require.Empty(t, care.CodeOf(err), "%s: it is the program's mistake, not a request's", tc.name)
	}
	require.Empty(t, rows(t, d.Worker))
}

// appendSQL calls the function for other programs.
func appendSQL(ctx context.Context, pool *pgxpool.Pool, e event.Event) error {
	_, err := pool.Exec(ctx, `SELECT outbox_append(p_type => $1, p_subject => $2, p_data => $3, p_source => $4, p_actor_id => $5,
		p_actor_role => $6, p_clinic_id => $7, p_person_id => $8, p_subject_version => $9, p_cause_id => $10,
		p_correlation_id => $11, p_traceparent => $12, p_time => $13, p_event_id => $14, p_imported => $15)`,
		e.Type, e.Subject, e.Data, e.Source, e.ActorID, e.ActorRole, e.ClinicID, e.PersonID, e.SubjectVersion, e.CauseID,
		e.CorrelationID, e.Traceparent, e.Time, e.ID, e.Imported)
	return err
}

// onlyOurs reports whether only the service may append the type.
func onlyOurs(typ string) bool {
	return slices.ContainsFunc([]string{"notification.", "rules.", "templates.", "ledger."}, func(prefix string) bool { return strings.HasPrefix(typ, prefix) })
}

func TestOutboxAppend_DoesTheSameInSQLAsAppendInGo(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	require.NoError(t, outbox.SyncCatalog(t.Context(), d.Worker))
	for i := range event.Catalog {
		c := &event.Catalog[i]
		if !onlyOurs(c.Type) {
			data, err := json.Marshal(c.Payload)
			require.NoError(t, err)
			e := anEvent().AtVersion(1)
			e.Type, e.Data = c.Type, data
			e.PersonID, e.ClinicID = &uuid.Max, &uuid.Max
			require.NoError(t, appendTo(t.Context(), d.App, e))
			require.NoError(t, appendSQL(t.Context(), d.App, e))
			for _, name := range c.Required() {
				var without map[string]any
				require.NoError(t, json.Unmarshal(data, &without))
				delete(without, name)
				e.Data, err = json.Marshal(without)
				require.NoError(t, err)
				require.ErrorContains(t, appendTo(t.Context(), d.App, e), "data."+name)
				require.ErrorContains(t, appendSQL(t.Context(), d.App, e), "data."+name)
			}
		}
	}
	got := rows(t, d.Worker)
	require.NotEmpty(t, got)
	for i := 0; i < len(got); i += 2 {
		got[i].ID, got[i+1].ID = 0, 0
		require.Equal(t, got[i], got[i+1])
	}
	for _, tc := range faulty {
		e := anEvent()
		tc.harm(&e)
		require.ErrorContains(t, appendSQL(t.Context(), d.App, e), tc.says, tc.name)
	}
	require.Len(t, rows(t, d.Worker), len(got))
}

func TestOutboxAppend_TakesPersonAndClinicFromTheDataIfTheEnvelopeHasNone(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	require.NoError(t, outbox.SyncCatalog(t.Context(), d.Worker))
	person, clinic := uuid.New(), uuid.New()
	e := anEvent()
	e.Type, e.PersonID, e.ClinicID = "membership.revoked", nil, nil
	var err error
	e.Data, err = json.Marshal(event.Membership{UserID: person, ClinicID: &clinic, Role: "nurse"})
	require.NoError(t, err)
	require.NoError(t, appendSQL(t.Context(), d.App, e))
	got := rows(t, d.Worker)
	require.Equal(t, person, *got[0].PersonID, "the sockets of a person who lost a right must get it")
	require.Equal(t, clinic, *got[0].ClinicID)
	e.Data = []byte(`{"userId":"somebody","clinicId":null,"role":"nurse"}`)
	require.ErrorContains(t, appendSQL(t.Context(), d.App, e), "data.userId")
}

func TestOutboxAppend_RefusesTypesOfTheServiceItself(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	require.NoError(t, outbox.SyncCatalog(t.Context(), d.Worker))
	for i := range event.Catalog {
		c := &event.Catalog[i]
		if onlyOurs(c.Type) {
			e := anEvent()
			e.Type = c.Type
			e.Data, _ = json.Marshal(c.Payload)
			require.ErrorContains(t, appendSQL(t.Context(), d.App, e), "by the service only", c.Type)
			require.NoError(t, appendTo(t.Context(), d.App, e), c.Type)
		}
	}
	require.Error(t, appendSQL(t.Context(), d.Auditor, anEvent()), "the auditor only reads")
}

func TestSyncCatalog_CanRunAgainAndKeepsTypesOfANewerBinary(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	_, err := d.Owner.Exec(t.Context(), "INSERT INTO event_types (type, category, required) VALUES ('robot.moved', 'system', '{robotId}'), ('user.created', 'old', '{x}')")
	require.NoError(t, err)
	var instances sync.WaitGroup
	for range 4 {
		instances.Go(func() {
			if err := outbox.SyncCatalog(t.Context(), d.Worker); err != nil {
				t.Error(err)
			}
		})
	}
	instances.Wait()
	var types int
	require.NoError(t, d.App.QueryRow(t.Context(), "SELECT count(*) FROM event_types").Scan(&types))
	require.Equal(t, len(event.Catalog)+1, types)
	var required []string
	require.NoError(t, d.App.QueryRow(t.Context(), "SELECT required FROM event_types WHERE type = 'user.created'").Scan(&required))
	require.Equal(t, []string{"userId"}, required)
}

// run starts a waker and stops it at the end of the test.
func run(t *testing.T, waker *outbox.Waker) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- waker.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

func TestWriter_WakesOnlyAfterACommit(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	waker := outbox.NewWaker(d.App, quiet)
	writer := outbox.NewWriter(d.App, waker)
	changedMind := errors.New("changed my mind")
	err := writer.InTx(t.Context(), care.Command{Actor: care.SystemActor("test")}, func(tx pgx.Tx) error {
		require.NoError(t, outbox.Append(t.Context(), tx, anEvent()))
		return changedMind
	})
	require.ErrorIs(t, err, changedMind)
	require.Empty(t, waker.C())
	require.Empty(t, rows(t, d.Worker))
	require.NoError(t, writer.InTx(t.Context(), care.Command{Actor: care.SystemActor("test")}, func(tx pgx.Tx) error {
		require.Empty(t, waker.C())
		return outbox.Append(t.Context(), tx, anEvent())
	}))
	require.Len(t, waker.C(), 1)
	require.Same(t, d.App, writer.Pool())
	require.Len(t, rows(t, d.Worker), 1)
}

func TestBatch_CommitsAllOrNothing(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	waker := outbox.NewWaker(d.App, quiet)
	writer := outbox.NewWriter(d.App, waker)
	one := func(row pgx.Row) error { return row.Scan(new(int)) }
	refused := func(b *outbox.Batch) {
		b.Append(t.Context(), anEvent())
		b.QueryRow(one, "SELECT 1 WHERE refuse('patient,doctor')")
	}
	require.Equal(t, []string{"patient", "doctor"}, postgres.FailedChecks(writer.InBatch(t.Context(), care.Command{Actor: care.SystemActor("test")}, refused)))
	unknown := anEvent()
	unknown.Type = "device.unheard_of"
	require.ErrorContains(t, writer.InBatch(t.Context(), care.Command{Actor: care.SystemActor("test")}, func(b *outbox.Batch) { b.Append(t.Context(), anEvent(), unknown) }), "type")
	broken := func(b *outbox.Batch) {
		b.Append(t.Context(), anEvent())
		b.QueryRow(func(row pgx.Row) error { return row.Scan() }, "SELECT 1/0")
	}
	require.Error(t, writer.InBatch(t.Context(), care.Command{Actor: care.SystemActor("test")}, broken))
	require.Empty(t, rows(t, d.Worker))
	require.Empty(t, waker.C())

	good := func(b *outbox.Batch) {
		b.QueryRow(one, "SELECT 1")
		b.Append(t.Context(), anEvent(), anEvent())
	}
	require.NoError(t, writer.InBatch(t.Context(), care.Command{Actor: care.SystemActor("test")}, good))
	require.Len(t, rows(t, d.Worker), 2)
	require.Len(t, waker.C(), 1)
	require.Zero(t, d.App.Stat().AcquiredConns(), "each call returns its connection")
}

func TestReadInBatch_ReadsInTheScopeOfTheActor(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	writer := outbox.NewWriter(d.App, outbox.NewWaker(d.App, quiet))
	people := []uuid.UUID{uuid.New(), uuid.New()}
	for i, person := range people {
		_, err := d.Owner.Exec(t.Context(), `INSERT INTO users (id, email, given_name, family_name) VALUES ($1, $2, 'A', 'B')`, person, person.String()+"@clinic.example")
		require.NoError(t, err)
		_, err = d.Owner.Exec(t.Context(), `INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template)
			VALUES ($1, $2, $1, 'user.created', 'user/1', $3, 'account', 'normal', 'r', 1, 'welcome')`, uuid.New(), i+1, person)
		require.NoError(t, err)
	}
	read := func(actor care.Actor, person uuid.UUID) (unread int64, err error) {
		err = writer.ReadInBatch(t.Context(), actor, func(b *outbox.ReadBatch) {
			b.Queue(func(q *db.Queries) func() error {
				counted := q.InboxCounts(t.Context(), []db.InboxCountsParams{{RecipientID: person, Most: 10}})
				return func() (err error) {
					counted.QueryRow(func(_ int, row db.InboxCountsRow, failed error) { unread, err = row.Unread, failed })
					return err
				}
			})
		})
		return unread, err
	}
	for i, actor := range people {
		for j, person := range people {
			unread, err := read(care.Actor{UserID: actor}, person)
			require.NoError(t, err)
			require.Equal(t, i == j, unread == 1, "%d reads the inbox of %d", i, j)
		}
	}
	var version int64
	require.NoError(t, d.Owner.QueryRow(t.Context(), `SELECT actor_version FROM users WHERE id = $1`, people[0]).Scan(&version))
	_, err := read(care.Actor{UserID: people[0], CachedVersion: version}, people[0])
	require.NoError(t, err)
	_, err = read(care.Actor{UserID: people[0], CachedVersion: version + 1}, people[0])
	require.ErrorIs(t, err, care.ErrActorChanged)
}

func TestBatch_QueuesExecAndBatchStatementsOnly(t *testing.T) {
	t.Parallel()
	q := (&outbox.Batch{}).Queries()
	_, err := q.FollowerList(t.Context())
	require.ErrorContains(t, err, "can be queued")
	_, err = q.OutboxFirst(t.Context())
	require.ErrorContains(t, err, "can be queued")
}

func TestWaker_SendsOneNotificationForManyWakes(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	conn, err := postgres.ConnectListener(t.Context(), postgres.Config{URL: d.URL, Role: postgres.Worker})
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(t, db.New(conn).OutboxListen(t.Context()))
	waker := outbox.NewWaker(d.App, quiet)
	for range 1000 {
		waker.Wake() // It does not block, although Run has not started.
	}
	require.Len(t, waker.C(), 1)
	run(t, waker)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	n, err := conn.WaitForNotification(ctx)
	require.NoError(t, err)
	require.Equal(t, "carewire_outbox", n.Channel)
	require.Empty(t, n.Payload)
	none, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = conn.WaitForNotification(none)
	require.ErrorIs(t, err, context.DeadlineExceeded, "no wake since")
}

func TestWaker_WakesOnceForManyEventsThatNoOneWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waker := outbox.NewWaker(nil, quiet)
		for range 2 {
			for range 10 {
				waker.WakeSoon()
			}
			require.Empty(t, waker.C())
			<-waker.C()
			requireNoWake(t, waker)
		}
	})
}

func TestWaker_WakesNoSecondTimeForEventsOfAnEarlierWake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waker := outbox.NewWaker(nil, quiet)
		waker.WakeSoon()
		waker.Wake()
		<-waker.C()
		requireNoWake(t, waker)
	})
}

// requireNoWake waits for a second of the bubble's time.
func requireNoWake(t *testing.T, waker *outbox.Waker) {
	t.Helper()
	select {
	case <-waker.C():
		t.Fatal("a second wake")
	case <-time.After(time.Second):
	}
}

func TestWaker_RetriesAfterAFailedNotification(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	conn, err := postgres.ConnectListener(t.Context(), postgres.Config{URL: d.URL, Role: postgres.Worker})
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(t, db.New(conn).OutboxListen(t.Context()))
	pool := d.Pool(t, postgres.App, 1)
	held, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	super := d.Pool(t, "", 1)
	_, err = super.Exec(t.Context(), "SELECT pg_terminate_backend($1)", held.Conn().PgConn().PID())
	require.NoError(t, err)
	held.Release() // The pool does not know yet that the connection is dead.
	waker := outbox.NewWaker(pool, quiet)
	run(t, waker)
	waker.Wake()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	_, err = conn.WaitForNotification(ctx)
	require.NoError(t, err)
}

func BenchmarkAppend(b *testing.B) {
	d := postgrestest.New(b)
	for name, n := range map[string]int{"one": 1, "ten": 10} {
		events := make([]event.Event, n)
		for i := range events {
			events[i] = anEvent()
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, appendTo(b.Context(), d.App, events...))
			}
		})
	}
}
