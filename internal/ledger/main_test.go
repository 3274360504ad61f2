package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/logtest"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// soon bounds the waits of a test. It is long because the machine may be busy.
const soon = 30 * time.Second

// bundle has the dependencies of most tests: a database and a log.
type bundle struct {
	*postgrestest.DB
	log    *logtest.Buffer
	logger *slog.Logger
}

func setup(tb testing.TB) *bundle {
	tb.Helper()
	log := &logtest.Buffer{}
	return &bundle{DB: postgrestest.New(tb), log: log, logger: slog.New(slog.NewTextHandler(log, nil))}
}

// anEvent returns an event of some type in the catalog.
func anEvent() event.Event {
	id := uuid.New()
	return event.New(care.Command{Actor: care.SystemActor("test")}, "device.removed", care.Ref{Kind: "device", ID: id},
		event.Device{DeviceID: id, UserID: id, Platform: "ios"})
}

func someEvents(n int) []event.Event {
	events := make([]event.Event, n)
	for i := range events {
		events[i] = anEvent()
	}
	return events
}

// commit appends the events in one transaction of the app role.
func (b *bundle) commit(tb testing.TB, events ...event.Event) {
	tb.Helper()
	require.NoError(tb, b.tryCommit(tb.Context(), events...))
}

func (b *bundle) tryCommit(ctx context.Context, events ...event.Event) error {
	return postgres.InTx(ctx, b.App, func(tx pgx.Tx) error { return outbox.Append(ctx, tx, events...) })
}

func (b *bundle) sequencer(tb testing.TB, batch int) *ledger.Sequencer {
	tb.Helper()
	return ledger.NewSequencer(ledger.SequencerConfig{Pool: b.Worker, Logger: b.logger, Batch: batch, Poll: 10 * time.Millisecond})
}

// drain moves until the outbox is empty. A connection that is being killed may still have the lock.
func drain(tb testing.TB, s *ledger.Sequencer) {
	tb.Helper()
	for {
		moved, err := s.Step(tb.Context())
		if errors.Is(err, ledger.ErrBusy) {
			continue
		}
		require.NoError(tb, err)
		if moved == 0 {
			return
		}
	}
}

// publish commits the events and moves them.
func (b *bundle) publish(tb testing.TB, events ...event.Event) {
	tb.Helper()
	b.commit(tb, events...)
	drain(tb, b.sequencer(tb, 0))
}

// all returns the whole ledger, after checking its invariants.
func (b *bundle) all(tb testing.TB) []event.Event {
	tb.Helper()
	events, err := ledger.Read(tb.Context(), b.App, 0, 1_000_000)
	require.NoError(tb, err)
	seen := make(map[uuid.UUID]bool, len(events))
	for i, e := range events {
		require.Equal(tb, int64(i+1), e.Position, "positions must be contiguous")
		require.False(tb, seen[e.ID], "an event id stands twice in the ledger")
		seen[e.ID] = true
		if i > 0 {
			require.False(tb, e.RecordedAt.Before(events[i-1].RecordedAt), "recorded_at must not go back")
		}
	}
	return events
}

func ids(events []event.Event) []uuid.UUID {
	all := make([]uuid.UUID, len(events))
	for i := range events {
		all[i] = events[i].ID
	}
	return all
}

// run starts a component and stops it at the end of the test.
func run(tb testing.TB, part func(ctx context.Context) error) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- part(ctx) }()
	tb.Cleanup(func() {
		cancel()
		require.NoError(tb, <-done)
	})
}

func count(tb testing.TB, pool *pgxpool.Pool, sql string) (n int) {
	tb.Helper()
	require.NoError(tb, pool.QueryRow(tb.Context(), sql).Scan(&n))
	return n
}

func exec(tb testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	tb.Helper()
	_, err := pool.Exec(tb.Context(), sql, args...)
	require.NoError(tb, err)
}

// superuser returns a pool with rights beyond those of the service's roles.
func (b *bundle) superuser(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	return b.Pool(tb, "", 2)
}

// killOnce creates the SQL functions kill() and, for triggers, kill_in_trigger(). Their nth call
// kills its own connection. The count survives the rollback.
func (b *bundle) killOnce(tb testing.TB, nth int) {
	tb.Helper()
	exec(tb, b.superuser(tb), fmt.Sprintf(`
		CREATE SEQUENCE kills;
		CREATE FUNCTION kill() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
		BEGIN
			IF nextval('public.kills') = %d THEN
				PERFORM pg_terminate_backend(pg_backend_pid());
			END IF;
		END $$;
		CREATE FUNCTION kill_in_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM kill();
			RETURN NEW;
		END $$`, nth))
}
