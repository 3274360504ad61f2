package audit_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/audit"
	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// testBundle is a ledger with the story of one record: written by a doctor, critical, notified to
// the patient by push, read by the patient individually and in a list, requested by a stranger.
type testBundle struct {
	db                                                           *postgrestest.DB
	reader                                                       *audit.Reader
	auditor                                                      care.Actor
	patient, doctor, stranger, clinic, record                    uuid.UUID
	created, critical, planned, sent, read, list, denied, unlike event.Event
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	b := &testBundle{db: postgrestest.New(t), patient: uuid.New(), doctor: uuid.New(), stranger: uuid.New(), clinic: uuid.New(), record: uuid.New()}
	b.reader = audit.New(b.db.App)
	b.auditor = care.Actor{ID: uuid.NewString(), UserID: uuid.New(), Memberships: []care.Membership{{Role: care.Auditor}}}
	b.exec(t, "INSERT INTO users (id, email, given_name, family_name, phone) VALUES ($1, 'w@murgatroyd.example', 'Wilhelmina', 'Murgatroyd', '+15550100')", b.patient)

	doctor, patient := b.by(b.doctor, care.Doctor), b.by(b.patient, care.Patient)
	ref, about := care.Ref{Kind: "lab_report", ID: b.record}, event.Record{RecordID: b.record, UserID: b.patient, ClinicID: b.clinic, DoctorID: b.doctor, Status: "final", Version: 1, Released: true}
	b.created = event.New(doctor, "ehr.lab_report.created", ref, about).About(doctor, b.patient, &b.clinic).AtVersion(1)
	b.critical = because(b.created, event.New(doctor, "ehr.lab_report.critical", ref, about).About(doctor, b.patient, &b.clinic))
	notification, delivery := uuid.New(), uuid.New()
	system := care.Command{Actor: care.SystemActor("dispatch")}
	b.planned = because(b.critical, event.New(system, "notification.planned", care.Ref{Kind: "notification", ID: notification}, event.Notification{
		NotificationID: notification, UserID: b.patient, Rule: "critical-result", RuleVersion: 1, Channels: []event.ChannelDecision{},
	}).About(system, b.patient, nil))
	b.sent = because(b.critical, event.New(system, "notification.sent", care.Ref{Kind: "notification", ID: notification}, event.Delivery{
		NotificationID: notification, DeliveryID: delivery, UserID: b.patient, Channel: "push", Attempt: 1,
	}).About(system, b.patient, nil))
	b.read = event.New(patient, "record.read", ref, event.RecordRead{UserID: b.patient, ClinicID: &b.clinic, Action: "read", Version: 1}).About(patient, b.patient, &b.clinic)
	b.list = event.ListRead(patient, event.ListOf("lab_report", event.Filter{Name: "status", Used: true}), b.patient, &b.clinic, []uuid.UUID{uuid.New(), b.record})
	stranger := b.by(b.stranger, care.Doctor)
	b.denied = event.New(stranger, "access.denied", ref, event.AccessDenied{UserID: &b.patient, ClinicID: &b.clinic, Action: "record.read", Code: "not_found"}).About(stranger, b.patient, &b.clinic)
	other := event.Record{RecordID: uuid.New(), UserID: b.patient, ClinicID: b.clinic, DoctorID: b.doctor, Status: "final", Version: 1, Released: true}
	b.unlike = event.New(doctor, "ehr.lab_report.created", care.Ref{Kind: "lab_report", ID: other.RecordID}, other).About(doctor, b.patient, &b.clinic).AtVersion(1)
	b.append(t, b.created, b.critical, b.unlike, b.planned, b.sent, b.read, b.list, b.denied)
	b.notified(t, notification, delivery)
	return b
}

func because(cause, effect event.Event) event.Event {
	effect.CauseID = &cause.ID
	return effect
}

func (b *testBundle) by(person uuid.UUID, role care.Role) care.Command {
	return care.Command{Actor: care.Actor{ID: person.String(), UserID: person, Memberships: []care.Membership{{ClinicID: &b.clinic, Role: role}}}}
}

func (b *testBundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.db.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// append puts the events into the ledger, in their order.
func (b *testBundle) append(t *testing.T, events ...event.Event) {
	t.Helper()
	require.NoError(t, postgres.InTx(t.Context(), b.db.Worker, func(tx pgx.Tx) error { return outbox.Append(t.Context(), tx, events...) }))
	b.sequence(t)
}

func (b *testBundle) sequence(t *testing.T) {
	t.Helper()
	seq := ledger.NewSequencer(ledger.SequencerConfig{Pool: b.db.Worker, Logger: slog.New(slog.DiscardHandler)})
	for moved := 1; moved > 0; {
		var err error
		moved, err = seq.Step(t.Context())
		require.NoError(t, err)
	}
}

// notified writes the rows of the planner and the worker for the critical result: push was sent,
// email was switched off.
func (b *testBundle) notified(t *testing.T, notification, delivery uuid.UUID) {
	t.Helper()
	b.exec(t, `INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, clinic_id, category, priority, rule, rule_version, template)
		VALUES ($1, 2, $2, 'ehr.lab_report.critical', $3, $4, $5, 'clinical', 'critical', 'critical-result', 1, 'critical')`,
		notification, b.critical.ID, b.critical.Subject, b.patient, b.clinic)
	b.exec(t, `INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, reason, rule, template, priority, attempt)
		VALUES ($1, 2, $2, $3, $4, 'push', 'sent', 'rule critical-result', 'critical-result', 'critical', 'critical', 1)`,
		delivery, notification, b.critical.ID, b.patient)
	b.exec(t, `INSERT INTO decisions (event_position, event_id, rule, rule_version, recipient_id, channel, reason)
		VALUES (2, $1, 'critical-result', 1, $2, 'email', 'preference off')`, b.critical.ID, b.patient)
}

func ids(items []event.Event) []uuid.UUID {
	var list []uuid.UUID
	for _, e := range items {
		list = append(list, e.ID)
	}
	return list
}

// listed returns the events that the filter selects, and fails the test on an error.
func (b *testBundle) listed(t *testing.T, f audit.Filter) []event.Event {
	t.Helper()
	page, err := b.reader.ListEvents(t.Context(), care.Command{Actor: b.auditor}, f)
	require.NoError(t, err)
	require.Empty(t, page.Next)
	events := []event.Event{}
	for _, entry := range page.Items {
		events = append(events, entry.Event)
	}
	return events
}

func TestListEvents_FollowsCausesAndListsOldestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want := ids([]event.Event{b.created, b.critical, b.planned, b.sent, b.read, b.list, b.denied})
	items := b.listed(t, audit.Filter{Subject: b.created.Subject})
	require.Equal(t, want, ids(items))
	require.Equal(t, int64(1), items[0].Position)
	require.Equal(t, want, ids(b.listed(t, audit.Filter{Subject: "lab_report/" + strings.ToUpper(b.record.String())})))
	require.NotNil(t, b.listed(t, audit.Filter{Subject: "lab_report/" + uuid.NewString()}))
	require.Equal(t, want, b.paged(t, audit.Filter{Subject: b.created.Subject, Limit: 4}))
	require.Equal(t, want, b.paged(t, audit.Filter{Subject: b.created.Subject, Limit: 1}))
}

// paged returns the ids of the events on all pages.
func (b *testBundle) paged(t *testing.T, f audit.Filter) []uuid.UUID {
	t.Helper()
	var paged []uuid.UUID
	for {
		page, err := b.reader.ListEvents(t.Context(), care.Command{Actor: b.auditor}, f)
		require.NoError(t, err)
		for _, entry := range page.Items {
			paged = append(paged, entry.ID)
		}
		b.sequence(t) // The read itself is an event. The pages end before it.
		if page.Next == "" {
			return paged
		}
		require.Len(t, page.Items, f.Limit)
		f.After = page.Next
	}
}

func TestListEvents_FiltersByPersonActorTypeAndTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stranger := b.by(b.stranger, care.Doctor)
	search := event.New(stranger, "user.searched", care.Ref{Kind: "clinic", ID: b.clinic}, event.UserSearch{
		ClinicID: b.clinic, Filters: []string{"role"}, UserIDs: []uuid.UUID{uuid.New(), b.patient},
	}).At(stranger, &b.clinic)
	late := b.created
	late.ID, late.Time = uuid.New(), time.Now().AddDate(-1, 0, 0)
	b.append(t, search, late)
	soon, yesterday := time.Now().Add(time.Minute), time.Now().AddDate(0, 0, -1)

	about := []event.Event{b.created, b.critical, b.unlike, b.planned, b.sent, b.read, b.list, b.denied, search, late}
	for _, c := range []struct {
		name string
		f    audit.Filter
		want []event.Event
	}{
		{"a person, with the lists that showed the name", audit.Filter{PersonID: b.patient}, about},
		{"nobody", audit.Filter{PersonID: uuid.New()}, nil},
		{"an actor", audit.Filter{ActorID: b.stranger.String()}, []event.Event{b.denied, search}},
		{"an actor in capitals", audit.Filter{ActorID: strings.ToUpper(b.stranger.String())}, []event.Event{b.denied, search}},
		{"a part of carewire", audit.Filter{ActorID: "system:dispatch"}, []event.Event{b.planned, b.sent}},
		{"a type", audit.Filter{Type: "record.read"}, []event.Event{b.read, b.list}},
		{"a pattern", audit.Filter{Type: "ehr.*.retracted", ActorID: b.doctor.String()}, nil},
		{"a pattern of three parts", audit.Filter{Type: "ehr.*.created"}, []event.Event{b.created, b.unlike, late}},
		{"everything", audit.Filter{Type: "**"}, about},
		{"a period", audit.Filter{PersonID: b.patient, From: yesterday, To: soon}, about},
		{"from a time on", audit.Filter{Type: "user.*", From: yesterday}, []event.Event{search}},
		{"from the future on", audit.Filter{From: soon.Add(2 * time.Hour)}, nil},
		{"until the past", audit.Filter{To: yesterday}, nil},
		{"a time at which there is another event", audit.Filter{From: b.read.Time, To: b.read.Time.Add(time.Microsecond), Subject: b.unlike.Subject}, nil},
		{"a subject and a person", audit.Filter{Subject: b.created.Subject, PersonID: uuid.New()}, nil},
		{"a subject, a person and an actor", audit.Filter{Subject: b.created.Subject, PersonID: b.patient, ActorID: b.patient.String()}, []event.Event{b.read, b.list}},
		{"a person as a subject", audit.Filter{Subject: "user/" + b.patient.String()}, []event.Event{search}},
	} {
		require.Equal(t, ids(c.want), ids(b.listed(t, c.f)), c.name)
	}
}

func TestListEvents_IsForAuditors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, cmd := range []care.Command{b.by(b.doctor, care.Doctor), b.by(b.patient, care.Patient), b.by(b.stranger, care.Admin), {Actor: care.SystemActor("seed")}} {
		_, err := b.reader.ListEvents(t.Context(), cmd, audit.Filter{Subject: b.created.Subject})
		require.Equal(t, care.Forbidden, care.CodeOf(err))
		_, err = b.reader.ListPeople(t.Context(), cmd, []uuid.UUID{b.patient})
		require.Equal(t, care.Forbidden, care.CodeOf(err))
	}
	_, err := b.reader.ListEvents(t.Context(), b.by(b.doctor, care.Doctor), audit.Filter{Subject: "patient/Wilhelmina"})
	require.Equal(t, care.Forbidden, care.CodeOf(err))
	b.sequence(t)
	var denials, named int
	require.NoError(t, b.db.Auditor.QueryRow(t.Context(), "SELECT count(*), count(*) FILTER (WHERE subject ~ 'Wilhelmina') FROM audit.denials WHERE action = 'audit.read'").Scan(&denials, &named))
	require.Equal(t, 9, denials)
	require.Zero(t, named, "what somebody typed does not get into the ledger")
}

func TestListEvents_NamesTheInvalidFilter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, bad := range []struct {
		f     audit.Filter
		field string
	}{
		{audit.Filter{}, "subject"},
		{audit.Filter{After: "1.2"}, "subject"},
		{audit.Filter{Subject: "x"}, "subject"},
		{audit.Filter{Subject: "a/b", After: "x"}, "cursor"},
		{audit.Filter{Subject: "a/b", After: "-1"}, "cursor"},
		{audit.Filter{Type: "**", After: "5.4"}, "cursor"},
		{audit.Filter{Type: "**", Limit: 501}, "limit"},
		{audit.Filter{Type: "User"}, "type"},
		{audit.Filter{Type: "user.exploded"}, "type"},
		{audit.Filter{ActorID: strings.Repeat("x", 201)}, "actor"},
		{audit.Filter{From: time.Now(), To: time.Now().Add(-time.Hour)}, "to"},
	} {
		_, err := b.reader.ListEvents(t.Context(), care.Command{Actor: b.auditor}, bad.f)
		var e *care.Error
		require.ErrorAs(t, err, &e, bad.field)
		require.Equal(t, bad.field, e.Fields[0].Field)
	}
	for _, ids := range [][]uuid.UUID{nil, make([]uuid.UUID, 101)} {
		_, err := b.reader.ListPeople(t.Context(), care.Command{Actor: b.auditor}, ids)
		require.Equal(t, care.Invalid, care.CodeOf(err))
	}
}

func TestListEvents_IsItselfAuditedOutsideOfTheStory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cmd := care.Command{Actor: b.auditor}
	story := b.listed(t, audit.Filter{Subject: b.created.Subject})
	people, err := b.reader.ListPeople(t.Context(), cmd, []uuid.UUID{b.patient, uuid.New()})
	require.NoError(t, err)
	require.Equal(t, "Wilhelmina Murgatroyd", people[0].Name)
	require.Len(t, people, 1)
	b.sequence(t)
	require.Equal(t, ids(story), ids(b.listed(t, audit.Filter{Subject: b.created.Subject})), "reading a story does not make it longer")

	reads := b.listed(t, audit.Filter{Type: "audit.read", ActorID: b.auditor.ID})
	require.Len(t, reads, 2)
	require.JSONEq(t, fmt.Sprintf(`{"userId": null, "kind": "event", "filters": ["subject"], "subject": %q, "count": 7}`, b.created.Subject), string(reads[0].Data))
	require.JSONEq(t, fmt.Sprintf(`{"userId": null, "kind": "person", "filters": ["ids"], "count": 1, "userIds": [%q]}`, b.patient), string(reads[1].Data))
	require.Equal(t, "auditor", reads[0].ActorRole)

	command := care.Command{Actor: care.SystemActor("cli"), Client: care.Client{Agent: care.AgentCLI}}
	_, err = b.reader.ListEvents(t.Context(), command, audit.Filter{PersonID: b.patient})
	require.NoError(t, err)
	b.sequence(t)
	reads = b.listed(t, audit.Filter{Type: "audit.read", ActorID: "system:cli", PersonID: b.patient})
	require.Len(t, reads, 1)
	require.Equal(t, "audit/trail", reads[0].Subject)
}

// plan returns the plan of the statement that audit.positions runs for a filter.
func (b *testBundle) plan(t *testing.T, args ...any) string {
	t.Helper()
	var query string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT audit.positions_query($1, $2, $3, $4, $5, $6, NULL, NULL, 101)", args...).Scan(&query))
	tx, err := b.db.Owner.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), "SET LOCAL enable_seqscan = off") // As in the function.
	require.NoError(t, err)
	rows, err := tx.Query(t.Context(), "EXPLAIN "+query)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}

func TestListEvents_ReadsIndexesOfAFilledLedger(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO outbox (event_id, type, source, subject, time, data, actor_id, actor_role, cause_id, person_id)
		SELECT gen_random_uuid(), CASE n % 3 WHEN 0 THEN 'notification.sent' WHEN 1 THEN 'record.read' ELSE 'user.updated' END, '/x', 'user/' || n, now(), '{"userId": "x"}',
			CASE WHEN n % 3 = 0 THEN 'system:notify' ELSE md5(n::text) END, 'system', CASE WHEN n % 2 = 0 THEN gen_random_uuid() END,
			CASE WHEN n % 3 < 2 THEN gen_random_uuid() END
		FROM generate_series(1, 20000) AS n`)
	b.sequence(t)
	b.exec(t, "ANALYZE events")
	now := time.Now()
	for _, c := range []struct {
		name  string
		args  []any
		index []string
	}{
		{"subject", []any{b.created.Subject, nil, nil, nil, nil, nil}, []string{"subject_position_idx", "cause_id_position_idx"}},
		{"subject and actor", []any{b.created.Subject, nil, "x", nil, nil, nil}, []string{"subject_position_idx", "cause_id_position_idx"}},
		{"person", []any{nil, b.patient, nil, nil, nil, nil}, []string{"person_id", "user_ids"}},
		{"person, type and time", []any{nil, b.patient, nil, []string{"record.read"}, now.Add(-time.Hour), now}, []string{"person_id", "user_ids"}},
		{"actor", []any{nil, nil, b.doctor.String(), nil, nil, nil}, []string{"actor_id"}},
		{"command line", []any{nil, nil, "system:cli", nil, nil, nil}, []string{"actor_id"}},
		{"type", []any{nil, nil, nil, []string{"access.denied"}, nil, nil}, []string{"_type_"}},
		{"types", []any{nil, nil, nil, []string{"access.denied", "user.searched"}, nil, nil}, []string{"_type_"}},
		{"period", []any{nil, nil, nil, nil, now.Add(-time.Hour), now}, []string{"_pkey"}},
		{"frequent type", []any{nil, nil, nil, []string{"notification.sent"}, nil, nil}, []string{"_pkey"}},
		{"everything", []any{nil, nil, nil, nil, nil, nil}, []string{"_pkey"}},
	} {
		plan := b.plan(t, c.args...)
		for _, index := range c.index {
			require.Regexp(t, "events_from_1_?"+index+"|events_from_1_.*"+index, plan, c.name)
		}
		require.NotContains(t, plan, "Seq Scan on events_from_1 ", "%s:\n%s", c.name, plan)
	}
}

func TestListEvents_MarksUnreadableEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, "ALTER TABLE outbox DROP CONSTRAINT outbox_valid")
	b.exec(t, "ALTER TABLE events DROP CONSTRAINT events_time_readable")
	for _, time := range []string{"infinity", "20000-01-01", "0044-03-15 BC"} {
		b.exec(t, `INSERT INTO outbox (event_id, type, source, subject, time, data, actor_id, actor_role)
			VALUES (gen_random_uuid(), 'ehr.lab_report.updated', '/psql', $1, $2::text::timestamptz, '{}', 'psql', 'service')`, b.created.Subject, time)
	}
	b.sequence(t)
	items := b.listed(t, audit.Filter{Subject: b.created.Subject, From: time.Now().AddDate(0, 0, -1)})
	require.Len(t, items, 10)
	for i, e := range items {
		_, err := json.Marshal(audit.Entry{Event: e, ClientAgent: care.AgentOther})
		require.NoError(t, err)
		require.Equal(t, i >= 7, e.Unreadable == "column time into time.Time", "%d", i)
	}
}

func TestReads_ShowAlsoWhatHasNotTheFormOfARead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, outbox.SyncCatalog(t.Context(), b.db.Worker))
	for _, data := range []string{
		`{"version": "abc", "recordIds": "none"}`, `{"version": 1e300, "recordIds": [1, "x", null, {}]}`, `{"version": [], "recordIds": {}}`, `{"version": -1, "recordIds": null}`,
	} {
		_, err := b.db.App.Exec(t.Context(), `SELECT outbox_append('record.read', 'lab_report/1', $1::text::jsonb || '{"userId": null, "clinicId": null, "action": "read"}', '/psql', 'psql')`, data)
		require.NoError(t, err)
	}
	b.sequence(t)
	var rows, versions int
	require.NoError(t, b.db.Auditor.QueryRow(t.Context(), "SELECT count(*), count(r.version) FROM (SELECT r.* FROM audit.reads AS r ORDER BY r.record_ids, r.version) AS r").Scan(&rows, &versions))
	require.Equal(t, 6, rows)
	require.Equal(t, 1, versions)
	b.run(t, "record_story", map[string]string{"subject": b.created.Subject})
}
