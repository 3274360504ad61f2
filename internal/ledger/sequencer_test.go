package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

func TestSequencer_MovesExactlyTheAcknowledgedEventsWithManyWritersAndSequencers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 3 {
		pool := b.Pool(t, postgres.Worker, 2)
		run(t, ledger.NewSequencer(ledger.SequencerConfig{Pool: pool, Logger: b.logger, Batch: 7, Poll: time.Millisecond}).Run)
	}
	var mu sync.Mutex
	acknowledged := map[uuid.UUID]bool{}
	again := anEvent() // Every writer appends this event, some of them twice in one transaction.
	var writers sync.WaitGroup
	for range 6 {
		writers.Go(func() {
			for i := range 50 {
				events := someEvents(1 + rand.IntN(3))
				if i%10 == 0 {
					events = append(events, again, again)
				}
				changedMind := errors.New("changed my mind")
				err := postgres.InTx(t.Context(), b.App, func(tx pgx.Tx) error {
					if err := outbox.Append(t.Context(), tx, events...); err != nil || i%5 != 4 {
						return err
					}
					return changedMind
				})
				if errors.Is(err, changedMind) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, e := range events {
					acknowledged[e.ID] = true
				}
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	require.Eventually(t, func() bool { return count(t, b.Worker, "SELECT count(*) FROM outbox") == 0 }, soon, 5*time.Millisecond)
	events := b.all(t)
	require.Len(t, events, len(acknowledged))
	for _, e := range events {
		require.True(t, acknowledged[e.ID], "a rolled-back event is in the ledger")
	}
	require.Zero(t, count(t, b.Worker, "SELECT count(*) FROM outbox_rejected"))
	require.NotContains(t, b.log.String(), "level=ERROR")
}

func TestSequencer_KeepsTheVersionsOfASubjectInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.Owner, "CREATE TABLE counters (id uuid PRIMARY KEY, version bigint NOT NULL)")
	exec(t, b.Owner, "GRANT SELECT, UPDATE ON counters TO carewire_app")
	subjects := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	for _, id := range subjects {
		exec(t, b.Owner, "INSERT INTO counters VALUES ($1, 0)", id)
	}
	for range 2 {
		run(t, b.sequencer(t, 5).Run)
	}
	const writes = 60
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range writes {
				id := subjects[rand.IntN(len(subjects))]
				// The event's id is drawn before the lock, as in the service: it does not
				// determine the order.
				e := event.New(care.Command{Actor: care.SystemActor("test")}, "user.updated", care.Ref{Kind: "user", ID: id}, event.User{UserID: id})
				err := postgres.InTx(t.Context(), b.App, func(tx pgx.Tx) error {
					var version int64
					if err := tx.QueryRow(t.Context(), "UPDATE counters SET version = version + 1 WHERE id = $1 RETURNING version", id).Scan(&version); err != nil {
						return err
					}
					return outbox.Append(t.Context(), tx, e.AtVersion(version))
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	require.Eventually(t, func() bool { return count(t, b.Worker, "SELECT count(*) FROM outbox") == 0 }, soon, 5*time.Millisecond)
	versions := map[string]int64{}
	events := b.all(t)
	require.Len(t, events, 4*writes)
	for _, e := range events {
		versions[e.Subject]++
		require.Equal(t, versions[e.Subject], *e.SubjectVersion, "the version of %s must rise by one along the ledger", e.Subject)
	}
}

func TestSequencer_KeepsTheOrderInWhichATransactionAppended(t *testing.T) {
	t.Parallel()
	b := setup(t)
	events := someEvents(500)
	rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	b.publish(t, events...)
	require.Equal(t, ids(events), ids(b.all(t)))
}

func TestSequencer_MovesARowThatCommitsLaterWithALowerID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.sequencer(t, 0)
	slow, err := b.App.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = slow.Rollback(context.Background()) }()
	late, early := anEvent(), anEvent()
	require.NoError(t, outbox.Append(t.Context(), slow, late))
	b.commit(t, early)
	drain(t, s)
	require.NoError(t, slow.Commit(t.Context()))
	drain(t, s)
	require.Equal(t, []uuid.UUID{early.ID, late.ID}, ids(b.all(t)))
}

func TestSequencer_DropsAnEventThatIsInTheLedgerAlready(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.sequencer(t, 0)
	e := anEvent()
	b.commit(t, e)
	drain(t, s)
	other := anEvent()
	b.commit(t, other, e, other)
	b.commit(t, e)
	drain(t, s)
	require.Equal(t, []uuid.UUID{e.ID, other.ID}, ids(b.all(t)))
	require.Equal(t, ledger.SequencerStats{Moved: 2, Duplicates: 3, Position: 2}, s.Stats())
}

func TestSequencer_CarriesEveryFieldOfTheEnvelope(t *testing.T) {
	t.Parallel()
	b := setup(t)
	full := anEvent().AtVersion(7)
	id, text := uuid.New(), "req-1"
	full.ClinicID, full.PersonID, full.CauseID, full.CorrelationID, full.Traceparent, full.Imported = &id, &id, &id, &text, &text, true
	bare := anEvent()
	b.publish(t, full, bare)
	events := b.all(t)
	for i, want := range []event.Event{full, bare} {
		got := events[i]
		require.JSONEq(t, string(want.Data), string(got.Data))
		require.WithinDuration(t, time.Now(), got.RecordedAt, time.Hour)
		require.Equal(t, int32(1), got.Epoch)
		got.Position, got.Epoch, got.Data, got.RecordedAt, got.LeafHash = 0, 0, want.Data, time.Time{}, nil
		require.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreUnexported(event.Event{})))
	}
}

func TestSequencer_StoresTheClientBesideTheLedger(t *testing.T) {
	t.Parallel()
	b := setup(t)
	known, private, own := anEvent(), anEvent(), anEvent()
	known.Client = care.Client{Address: "203.0.113.7", Agent: care.AgentBrowser}
	private.Client = care.Client{Agent: care.AgentMobile}
	b.publish(t, known, private, own)
	b.publish(t, known) // A duplicate has no position.
	rows, err := b.Owner.Query(t.Context(), `SELECT c.position || ' ' || coalesce(abbrev(c.address), '-') || ' ' || c.agent || ' ' || (c.recorded_at = e.recorded_at)
		FROM event_clients AS c JOIN events AS e ON e.position = c.position ORDER BY c.position`)
	require.NoError(t, err)
	clients, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"1 203.0.113.7 browser true", "2 - mobile true"}, clients)
	var changed int
	require.NoError(t, b.Owner.QueryRow(t.Context(), "SELECT count(*) FROM events AS e WHERE e.leaf_hash <> event_leaf(e) OR to_jsonb(e)::text LIKE '%203.0.113.7%'").Scan(&changed))
	require.Zero(t, changed)
}

func TestSequencer_NotifiesTheLastPositionOfABatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn, err := postgres.ConnectListener(t.Context(), postgres.Config{URL: b.URL, Role: postgres.App})
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(t, db.New(conn).LedgerListen(t.Context()))
	b.publish(t, someEvents(3)...)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	n, err := conn.WaitForNotification(ctx)
	require.NoError(t, err)
	require.Equal(t, "carewire_ledger", n.Channel)
	require.Equal(t, "3", n.Payload)
}

func TestSequencer_LeavesTheMoveToTheHolderOfTheLock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.commit(t, anEvent())
	s := b.sequencer(t, 0)
	holder, err := b.Worker.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = holder.Rollback(context.Background()) }()
	require.NoError(t, db.New(holder).SequencerLock(t.Context()))
	_, err = s.Step(t.Context())
	require.ErrorIs(t, err, ledger.ErrBusy)
	run(t, s.Run)
	require.NoError(t, holder.Rollback(t.Context()))
	require.Eventually(t, func() bool { return s.Stats().Moved == 1 }, soon, time.Millisecond)
	require.NotContains(t, b.log.String(), "level=", "a lock that is taken is no news")
}

func TestSequencer_RejectsOnlyTheRowThatViolatesAConstraint(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.Owner, "ALTER TABLE events ADD CONSTRAINT events_no_poison CHECK (actor_id NOT LIKE 'poison%')")
	events := someEvents(100)
	var want []uuid.UUID
	poison := map[int]bool{0: true, 41: true, 42: true, 99: true}
	for i := range events {
		if poison[i] {
			events[i].ActorID = "poison of Mrs Smith"
		} else {
			want = append(want, events[i].ID)
		}
	}
	b.commit(t, events...)
	s := b.sequencer(t, 16)
	drain(t, s)
	require.Equal(t, want, ids(b.all(t)))
	require.Equal(t, ledger.SequencerStats{Moved: 96, Rejected: 4, Position: 96}, s.Stats())

	rows, err := b.Worker.Query(t.Context(), "SELECT event, error FROM outbox_rejected ORDER BY id")
	require.NoError(t, err)
	type rejected struct {
		Event []byte
		Error string
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[rejected])
	require.NoError(t, err)
	require.Len(t, all, len(poison))
	for i, at := range []int{0, 41, 42, 99} {
		var row map[string]any
		require.NoError(t, json.Unmarshal(all[i].Event, &row))
		require.Equal(t, events[at].ID.String(), row["event_id"])
		require.Equal(t, "poison of Mrs Smith", row["actor_id"], "the row is kept whole")
		require.Contains(t, all[i].Error, "constraint events_no_poison")
		require.NotContains(t, all[i].Error, "Smith", "an error carries no values")
		require.Contains(t, b.log.String(), "level=ERROR msg=\"the ledger rejected an outbox row; it is in outbox_rejected\" outbox_id="+fmt.Sprint(at+1))
	}
	require.NotContains(t, b.log.String(), "Smith")
}

func TestSequencer_RejectsNothingForAFaultOfTheSchema(t *testing.T) {
	t.Parallel()
	b := setup(t)
	events := someEvents(10)
	b.commit(t, events...)
	exec(t, b.Owner, "REVOKE INSERT ON events FROM carewire_worker")
	s := b.sequencer(t, 4)
	_, err := s.Step(t.Context())
	require.Error(t, err)
	require.Equal(t, 10, count(t, b.Worker, "SELECT count(*) FROM outbox"))
	exec(t, b.Owner, "GRANT INSERT ON events TO carewire_worker")
	drain(t, s)
	require.Equal(t, ids(events), ids(b.all(t)))
}

func TestSequencer_RetriesAfterItsConnectionWasKilledDuringABatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.killOnce(t, 5)
	exec(t, b.Owner, `CREATE TRIGGER kill BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION kill_in_trigger()`)
	events := someEvents(20)
	b.commit(t, events...)
	s := b.sequencer(t, 0)
	_, err := s.Step(t.Context())
	require.True(t, postgres.Transient(err), "got %v", err)
	drain(t, s)
	require.Equal(t, ids(events), ids(b.all(t)))
	require.Zero(t, s.Stats().Rejected)
}

// explain returns the plan of a statement on the sequencer's connection, for any batch size.
func explain(t *testing.T, b *bundle, sql string) (plan string) {
	t.Helper()
	require.NoError(t, postgres.InTx(t.Context(), b.Worker, func(tx pgx.Tx) error {
		if _, err := db.New(tx).SequencerTryLock(t.Context()); err != nil {
			return err
		}
		if _, err := tx.Exec(t.Context(), "SET LOCAL plan_cache_mode = force_generic_plan"); err != nil {
			return err
		}
		if _, err := tx.Exec(t.Context(), "PREPARE explained AS "+sql); err != nil {
			return err
		}
		rows, err := tx.Query(t.Context(), "EXPLAIN EXECUTE explained (0, 1000)", pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, line := range lines {
			plan += line + "\n"
		}
		if err == nil {
			_, err = tx.Exec(t.Context(), "DEALLOCATE explained")
		}
		return err
	}))
	return plan
}

func TestSequencer_UsesIndexesWithAnyPlannerSettings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	check := func(when string) {
		plan := explain(t, b, db.LedgerMove)
		require.NotContains(t, plan, "Seq Scan", "%s:\n%s", when, plan)
		require.Contains(t, plan, "Index Cond: (id = ANY", "%s:\n%s", when, plan)
		require.Contains(t, plan, "event_id_idx", "%s:\n%s", when, plan)
	}
	check("empty tables")
	b.publish(t, someEvents(2000)...)
	b.commit(t, someEvents(3000)...)
	check("full tables, no statistics")
	exec(t, b.superuser(t), "ANALYZE outbox, events")
	check("full tables, statistics")
	drain(t, b.sequencer(t, 0))
	check("statistics of a backlog that is gone")
}

func BenchmarkSequencer(b *testing.B) {
	const backlog = 100_000
	for _, batch := range []int{500, 1000, 2000, 5000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			var busy time.Duration
			for b.Loop() {
				b.StopTimer()
				e := setup(b)
				for range backlog / 1000 {
					e.commit(b, someEvents(1000)...)
				}
				s := e.sequencer(b, batch)
				b.StartTimer()
				start := time.Now()
				drain(b, s)
				busy += time.Since(start)
			}
			b.ReportMetric(float64(backlog*b.N)/busy.Seconds(), "events/s")
		})
	}
}

func BenchmarkSequencer_OneEventAtATime(b *testing.B) {
	e := setup(b)
	s := e.sequencer(b, 0)
	e.publish(b, someEvents(1000)...)
	for b.Loop() {
		b.StopTimer()
		e.commit(b, anEvent())
		b.StartTimer()
		moved, err := s.Step(b.Context())
		require.NoError(b, err)
		require.Equal(b, 1, moved)
	}
}
