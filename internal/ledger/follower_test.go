package ledger_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// handler records the handled events in the follower's transaction; before is called first.
type handler struct {
	before func(ctx context.Context, tx pgx.Tx, batch []event.Event) error
}

func (h handler) Handle(ctx context.Context, tx pgx.Tx, batch []event.Event) error {
	for _, e := range batch {
		if _, err := tx.Exec(ctx, "INSERT INTO handled (position, event_id) VALUES ($1, $2)", e.Position, e.ID); err != nil {
			return err
		}
	}
	if h.before != nil {
		return h.before(ctx, tx, batch)
	}
	return nil
}

type followerBundle struct {
	*bundle
	cfg ledger.FollowerConfig
}

// setupFollower creates the table handled without a unique key: an event handled twice is in it
// twice.
func setupFollower(t *testing.T, before func(ctx context.Context, tx pgx.Tx, batch []event.Event) error) *followerBundle {
	t.Helper()
	b := setup(t)
	exec(t, b.Owner, "CREATE TABLE handled (n bigserial, position bigint, event_id uuid)")
	exec(t, b.Owner, "GRANT SELECT, INSERT ON handled TO carewire_worker; GRANT USAGE ON SEQUENCE handled_n_seq TO carewire_worker")
	return &followerBundle{b, ledger.FollowerConfig{
		Name: "test", Pool: b.Worker, Handler: handler{before}, Logger: b.logger, Batch: 10, Poll: 5 * time.Millisecond,
	}}
}

func (b *followerBundle) handled(t *testing.T) []int64 {
	t.Helper()
	rows, err := b.Worker.Query(t.Context(), "SELECT position FROM handled ORDER BY n")
	require.NoError(t, err)
	positions, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(t, err)
	return positions
}

func (b *followerBundle) position(t *testing.T) int {
	t.Helper()
	return count(t, b.Worker, "SELECT coalesce(max(position), 0) FROM followers WHERE name = 'test'")
}

// follow steps until there is nothing left that this binary can handle.
func follow(t *testing.T, f *ledger.Follower) {
	t.Helper()
	for {
		n, err := f.Step(t.Context())
		require.NoError(t, err)
		if n == 0 {
			return
		}
	}
}

func upTo(n int64, without ...int64) (positions []int64) {
	for p := int64(1); p <= n; p++ {
		if len(without) == 0 || p != without[0] {
			positions = append(positions, p)
		} else {
			without = without[1:]
		}
	}
	return positions
}

func TestFollower_HandlesEachEventOnceInOrderWithAnyNumberOfInstances(t *testing.T) {
	t.Parallel()
	b := setupFollower(t, nil)
	run(t, b.sequencer(t, 20).Run)
	for range 3 {
		cfg := b.cfg
		cfg.Pool = b.Pool(t, postgres.Worker, 2)
		run(t, ledger.NewFollower(cfg).Run)
	}
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 30 {
				if err := b.tryCommit(t.Context(), someEvents(2)...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	require.Eventually(t, func() bool { return count(t, b.Worker, "SELECT count(*) FROM handled") >= 240 }, soon, 5*time.Millisecond)
	require.Equal(t, upTo(240), b.handled(t))
	require.NotContains(t, b.log.String(), "level=", "a row that another instance holds is no news")
}

func TestFollower_BeginsAtTheBeginningOrAtTheGivenStart(t *testing.T) {
	t.Parallel()
	b := setupFollower(t, nil)
	b.publish(t, someEvents(3)...)
	follow(t, ledger.NewFollower(b.cfg))
	require.Equal(t, upTo(3), b.handled(t))

	late := b.cfg
	late.Name, late.StartAt = "late", ledger.FromHead
	f := ledger.NewFollower(late)
	require.False(t, f.Stats().CaughtUp)
	follow(t, f)
	b.publish(t, anEvent())
	follow(t, f)
	require.Equal(t, []int64{1, 2, 3, 4}, b.handled(t))
	follow(t, ledger.NewFollower(late)) // It continues instead of starting over.
	require.Equal(t, []int64{1, 2, 3, 4}, b.handled(t))
	require.Equal(t, ledger.FollowerStats{CaughtUp: true, Handled: 1, Position: 4}, f.Stats())
}

func TestFollower_SkipsAnEventThatFailsAloneAndRedrivesIt(t *testing.T) {
	t.Parallel()
	broken := true
	faults := map[int64]func(ctx context.Context, tx pgx.Tx) error{
		5: func(context.Context, pgx.Tx) error { return errors.New("Mrs Smith has no address") },
		7: func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "SELECT 1 / 0")
			return err
		},
		12: func(ctx context.Context, tx pgx.Tx) error {
			_, _ = tx.Exec(ctx, "SELECT 1 / 0") // The handler hides the error.
			return nil
		},
		14: func(context.Context, pgx.Tx) error { panic("Mrs Smith") },
		15: func(ctx context.Context, tx pgx.Tx) error { // It would fail at the commit.
			_, err := tx.Exec(ctx, "INSERT INTO deferred VALUES (1)")
			return err
		},
	}
	b := setupFollower(t, func(ctx context.Context, tx pgx.Tx, batch []event.Event) error {
		for _, e := range batch {
			if fault := faults[e.Position]; fault != nil && broken {
				if err := fault(ctx, tx); err != nil {
					return err
				}
			}
		}
		return nil
	})
	exec(t, b.Owner, `
		CREATE TABLE deferred_to (id int PRIMARY KEY);
		CREATE TABLE deferred (id int REFERENCES deferred_to DEFERRABLE INITIALLY DEFERRED);
		GRANT SELECT, INSERT ON deferred, deferred_to TO carewire_worker`)
	b.publish(t, someEvents(25)...)
	f := ledger.NewFollower(b.cfg)
	follow(t, f)
	require.Equal(t, upTo(25, 5, 7, 12, 14, 15), b.handled(t))
	require.Equal(t, ledger.FollowerStats{CaughtUp: true, Handled: 20, Failed: 5, Position: 25}, f.Stats())

	failures, err := ledger.ListFailures(t.Context(), b.Worker, "test", 0, 100)
	require.NoError(t, err)
	var why []string
	for _, failed := range failures {
		why = append(why, failed.Error)
	}
	require.Equal(t, []string{
		"errors.errorString", "SQLSTATE 22012", "SQLSTATE 25P02", "ledger.panicError", "SQLSTATE 23503 constraint deferred_id_fkey",
	}, why)
	require.Equal(t, 5, strings.Count(b.log.String(), "level=ERROR"), "each is an alert")
	require.NotContains(t, b.log.String(), "Smith", "an error carries no values")

	require.Error(t, ledger.Redrive(t.Context(), b.Worker, "test", 7, b.cfg.Handler), "it still fails")
	require.Equal(t, 2, count(t, b.Worker, "SELECT attempts FROM follower_failures WHERE position = 7 AND redriven_at IS NULL"))
	broken = false
	require.NoError(t, ledger.Redrive(t.Context(), b.Worker, "test", 7, b.cfg.Handler))
	require.Equal(t, append(upTo(25, 5, 7, 12, 14, 15), 7), b.handled(t))
	require.Equal(t, 3, count(t, b.Worker, "SELECT attempts FROM follower_failures WHERE position = 7 AND redriven_at IS NOT NULL"))
	require.Equal(t, care.Conflict, care.CodeOf(ledger.Redrive(t.Context(), b.Worker, "test", 7, b.cfg.Handler)))
	require.Equal(t, care.NotFound, care.CodeOf(ledger.Redrive(t.Context(), b.Worker, "test", 8, b.cfg.Handler)))
	failures, err = ledger.ListFailures(t.Context(), b.App, "test", 0, 100)
	require.NoError(t, err)
	require.Len(t, failures, 4)
	page, err := ledger.ListFailures(t.Context(), b.App, "test", failures[1].Position, 1)
	require.NoError(t, err)
	require.Equal(t, failures[2:3], page, "a page goes on after a position")
	all, err := ledger.ListFollowers(t.Context(), b.App)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, ledger.FollowerStatus{Name: "test", Position: 25, Failures: 4, UpdatedAt: all[0].UpdatedAt}, all[0])
}

func TestFollower_RetriesAfterATransientErrorAndSkipsNothing(t *testing.T) {
	t.Parallel()
	faults := []error{
		&pgconn.PgError{Code: "40001"}, &pgconn.PgError{Code: "57014"}, &pgconn.PgError{Code: "53200"},
		care.Errorf(care.Unavailable, "try later"), context.DeadlineExceeded,
	}
	b := setupFollower(t, func(_ context.Context, _ pgx.Tx, batch []event.Event) error {
		if len(faults) == 0 || batch[0].Position != 11 {
			return nil
		}
		err := faults[0]
		faults = faults[1:]
		return err
	})
	b.publish(t, someEvents(30)...)
	run(t, ledger.NewFollower(b.cfg).Run)
	require.Eventually(t, func() bool { return b.position(t) == 30 }, soon, 5*time.Millisecond)
	require.Equal(t, upTo(30), b.handled(t))
	require.Empty(t, faults)
	require.Zero(t, count(t, b.Worker, "SELECT count(*) FROM follower_failures"))
}

func TestFollower_HandlesTheEventsBeforeABlockedOne(t *testing.T) {
	t.Parallel()
	waits := true
	b := setupFollower(t, func(_ context.Context, _ pgx.Tx, batch []event.Event) error {
		for _, e := range batch {
			switch {
			case e.Position == 3:
				return errors.New("not this one")
			case e.Position >= 7 && waits:
				return &ledger.BlockedError{Position: e.Position, Cause: care.Errorf(care.Unavailable, "waits")}
			}
		}
		return nil
	})
	b.publish(t, someEvents(10)...)
	f := ledger.NewFollower(b.cfg)
	n, err := f.Step(t.Context())
	require.NoError(t, err)
	require.Equal(t, 6, n)
	require.Equal(t, upTo(6, 3), b.handled(t))
	for range 2 {
		n, err = f.Step(t.Context())
		require.Zero(t, n)
		require.Equal(t, care.Unavailable, care.CodeOf(err))
		require.True(t, postgres.Transient(err))
	}
	require.Equal(t, 6, b.position(t), "it keeps its place")
	require.Equal(t, ledger.FollowerStats{CaughtUp: true, Handled: 5, Failed: 1, Position: 6}, f.Stats())
	b.publish(t, anEvent())
	fresh := ledger.NewFollower(b.cfg)
	_, err = fresh.Step(t.Context())
	require.Error(t, err)
	require.True(t, fresh.Stats().CaughtUp, "a service that starts meanwhile is ready for the rest of its work")

	waits = false
	follow(t, f)
	require.Equal(t, upTo(11, 3), b.handled(t))
	require.Equal(t, 1, count(t, b.Worker, "SELECT count(*) FROM follower_failures"))
}

func TestFollower_RetriesAfterATransientErrorWhileItHandlesEachEventAlone(t *testing.T) {
	t.Parallel()
	deadlock := &pgconn.PgError{Code: "40P01"}
	b := setupFollower(t, func(_ context.Context, _ pgx.Tx, batch []event.Event) error {
		for _, e := range batch {
			if e.Position == 3 {
				return errors.New("not this one")
			}
		}
		if batch[0].Position == 8 && deadlock != nil {
			err := deadlock
			deadlock = nil
			return err
		}
		return nil
	})
	b.publish(t, someEvents(10)...)
	f := ledger.NewFollower(b.cfg)
	_, err := f.Step(t.Context())
	require.True(t, postgres.Transient(err), "got %v", err)
	require.Zero(t, b.position(t))
	require.Zero(t, count(t, b.Worker, "SELECT count(*) FROM follower_failures"), "what was found is rolled back with the rest")
	follow(t, f)
	require.Equal(t, upTo(10, 3), b.handled(t))
	require.Equal(t, ledger.FollowerStats{CaughtUp: true, Handled: 9, Failed: 1, Position: 10}, f.Stats())
}

func TestFollower_RetriesAfterItsConnectionWasKilledDuringABatch(t *testing.T) {
	t.Parallel()
	b := setupFollower(t, func(ctx context.Context, tx pgx.Tx, batch []event.Event) error {
		_, err := tx.Exec(ctx, "SELECT kill()")
		return err
	})
	b.killOnce(t, 2)
	b.publish(t, someEvents(30)...)
	run(t, ledger.NewFollower(b.cfg).Run)
	require.Eventually(t, func() bool { return b.position(t) == 30 }, soon, 5*time.Millisecond)
	require.Equal(t, upTo(30), b.handled(t))
	require.Zero(t, count(t, b.Worker, "SELECT count(*) FROM follower_failures"))
	require.Contains(t, b.log.String(), "level=WARN")
}

func TestFollower_LeavesATypeItDoesNotKnowToANewerBinary(t *testing.T) {
	t.Parallel()
	b := setupFollower(t, nil)
	b.publish(t, someEvents(3)...)
	exec(t, b.Owner, `INSERT INTO outbox (event_id, type, source, subject, time, data, actor_id, actor_role)
		VALUES (gen_random_uuid(), 'lab.robot.moved', '/x', 'robot/1', now(), '{}', 'x', 'service')`)
	b.publish(t, someEvents(2)...)
	f := ledger.NewFollower(b.cfg)
	follow(t, f)
	follow(t, f)
	require.Equal(t, upTo(3), b.handled(t), "what comes before it is handled")
	require.Equal(t, 3, b.position(t))
	require.Equal(t, 1, strings.Count(b.log.String(), "type=lab.robot.moved"), "it is told of once")
	require.Equal(t, 1, strings.Count(b.log.String(), "level="))

	// The newer binary gets the row while the older one keeps trying.
	run(t, f.Run)
	require.Eventually(t, func() bool {
		err := postgres.InTx(t.Context(), b.Worker, func(tx pgx.Tx) error {
			if _, err := db.New(tx).FollowerTake(t.Context(), "test"); err != nil {
				return err
			}
			return db.New(tx).FollowerAdvance(t.Context(), db.FollowerAdvanceParams{Name: "test", Position: 4})
		})
		return err == nil
	}, soon, time.Millisecond)
	require.Eventually(t, func() bool { return b.position(t) == 6 }, soon, 5*time.Millisecond)
	require.Equal(t, upTo(6, 4), b.handled(t))
}

func TestFollower_WakesOnItsChannel(t *testing.T) {
	t.Parallel()
	b := setupFollower(t, nil)
	listener := ledger.NewListener(postgres.Config{URL: b.URL, Role: postgres.Worker}, b.logger)
	wake, stop := listener.Ledger()
	defer stop()
	b.cfg.Wake, b.cfg.Poll = wake, time.Hour
	run(t, listener.Run)
	run(t, ledger.NewFollower(b.cfg).Run)
	for n := 1; n <= 3; n++ {
		b.publish(t, anEvent())
		require.Eventually(t, func() bool { return b.position(t) == n }, soon, time.Millisecond)
	}
}
