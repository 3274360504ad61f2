package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
)

func TestFollower_HalvesABatchThatTakesTooLongUntilItFits(t *testing.T) {
	t.Parallel()
	b := setupFollower(t, func(ctx context.Context, tx pgx.Tx, batch []event.Event) error {
		_, err := tx.Exec(ctx, "SELECT pg_sleep($1)", 0.05*float64(len(batch)))
		return err
	})
	slow, err := postgres.Open(t.Context(), postgres.Config{URL: b.URL, Role: postgres.Worker, MaxConns: 2, StatementTimeout: 300 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(slow.Close)
	b.cfg.Pool = slow
	b.publish(t, someEvents(10)...)
	run(t, ledger.NewFollower(b.cfg).Run)
	require.Eventually(t, func() bool { return b.position(t) == 10 }, soon, 5*time.Millisecond)
	require.Equal(t, upTo(10), b.handled(t))
	require.Contains(t, b.log.String(), "SQLSTATE 57014")
	require.Contains(t, b.log.String(), "next_batch=5")
	require.Zero(t, count(t, b.Worker, "SELECT count(*) FROM follower_failures"))
}

func TestFollower_GrowsTheBatchAgainAfterItWasHalved(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{
		"a statement's time-out":       &pgconn.PgError{Code: "57014"},
		"an idle transaction":          &pgconn.PgError{Code: "25P03"},
		"no memory":                    &pgconn.PgError{Code: "53200"},
		"a session that was ended":     fmt.Errorf("insert: %w", &net.OpError{Op: "write", Err: syscall.EPIPE}),
		"a time-out of the handler's":  context.DeadlineExceeded,
		"a session ended by the admin": &pgconn.PgError{Code: "57P01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			most := 3
			var sizes []int
			b := setupFollower(t, func(_ context.Context, _ pgx.Tx, batch []event.Event) error {
				if len(batch) > most {
					return cause
				}
				sizes = append(sizes, len(batch))
				return nil
			})
			b.publish(t, someEvents(50)...)
			f := ledger.NewFollower(b.cfg)
			for b.position(t) < 50 {
				if _, err := f.Step(t.Context()); err != nil {
					require.ErrorIs(t, err, cause)
				}
				if b.position(t) >= 20 {
					most = 10
				}
			}
			require.Equal(t, upTo(50), b.handled(t))
			require.Contains(t, sizes, 2)
			require.Contains(t, sizes, 10, "what went is doubled")
			require.Zero(t, count(t, b.Worker, "SELECT count(*) FROM follower_failures"))
		})
	}
}

func TestFollower_IsStalledByAnEventThatExhaustsATransactionAloneAndNeverSkipsIt(t *testing.T) {
	t.Parallel()
	tooMuch := true
	b := setupFollower(t, func(_ context.Context, _ pgx.Tx, batch []event.Event) error {
		for _, e := range batch {
			if e.Position == 4 && tooMuch {
				return &pgconn.PgError{Code: "57014"}
			}
		}
		return nil
	})
	b.publish(t, someEvents(10)...)
	f := ledger.NewFollower(b.cfg)
	require.NoError(t, f.Stalled(t.Context()))
	for range 20 {
		_, _ = f.Step(t.Context())
	}
	require.Equal(t, 3, b.position(t))
	require.Zero(t, count(t, b.Worker, "SELECT count(*) FROM follower_failures"))
	require.NoError(t, f.Stalled(t.Context()), "a minute has not passed")
	// A minute later.
	exec(t, b.superuser(t), `SET session_replication_role = replica; UPDATE events SET recorded_at = now() - interval '2 minutes'; RESET session_replication_role;
		UPDATE followers SET updated_at = now() - interval '2 minutes'`)
	require.ErrorContains(t, f.Stalled(t.Context()), "has not advanced after position 3 for 2m0s: SQLSTATE 57014")
	other := ledger.NewFollower(b.cfg)
	require.NoError(t, other.Stalled(t.Context()), "an instance that only waits for another is well")

	tooMuch = false
	follow(t, f)
	require.NoError(t, f.Stalled(t.Context()))
	require.Equal(t, upTo(10), b.handled(t))
}

// parts is a PartialHandler that writes at most three rows per transaction; an event at a position
// in large has that many.
type parts struct {
	handler

	large map[int64]int
	// lazy makes no progress for this position, although it returns a part.
	lazy int64
}

func (p parts) HandlePart(ctx context.Context, tx pgx.Tx, batch []event.Event) (to ledger.Progress, err error) {
	room := 3
	for _, e := range batch {
		var done int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM handled WHERE position = $1", e.Position).Scan(&done); err != nil {
			return to, err
		}
		if e.Position == p.lazy {
			return ledger.Progress{Events: to.Events, Part: 1}, nil
		}
		for all := max(1, p.large[e.Position]); done < all; done++ {
			if room--; room < 0 {
				if to.Part = int64(done); done == 0 && to.Events == 0 {
					return to, errors.New("no room at all")
				}
				return to, nil
			}
			if err := p.Handle(ctx, tx, []event.Event{e}); err != nil {
				return to, err
			}
		}
		to.Events++
	}
	return to, nil
}

func TestFollower_HandlesAnEventInSeveralTransactionsIfTheHandlerStopsEarly(t *testing.T) {
	t.Parallel()
	b := setupFollower(t, func(_ context.Context, _ pgx.Tx, batch []event.Event) error {
		if batch[0].Position == 6 {
			return errors.New("not this one")
		}
		return nil
	})
	b.cfg.Handler = parts{handler: b.cfg.Handler.(handler), large: map[int64]int{2: 8, 5: 3, 9: 7}}
	b.publish(t, someEvents(12)...)
	follow(t, ledger.NewFollower(b.cfg))
	want := []int64{1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 4, 5, 5, 5, 7, 8, 9, 9, 9, 9, 9, 9, 9, 10, 11, 12}
	require.Equal(t, want, b.handled(t), "each row once, in the order of the events")
	require.LessOrEqual(t, count(t, b.Worker, "SELECT max(n) FROM (SELECT count(*) AS n FROM handled GROUP BY xmin::text) AS t"), 3)
	require.Equal(t, 1, count(t, b.Worker, "SELECT count(*) FROM follower_failures WHERE position = 6"))

	large := parts{handler: handler{}, large: map[int64]int{6: 7}}
	require.NoError(t, ledger.Redrive(t.Context(), b.Worker, "test", 6, large))
	require.Equal(t, 7, count(t, b.Worker, "SELECT count(*) FROM handled WHERE position = 6"), "a redrive has as many transactions as it needs")
	require.LessOrEqual(t, count(t, b.Worker, "SELECT max(n) FROM (SELECT count(*) AS n FROM handled GROUP BY xmin::text) AS t"), 3)
}

func TestFollower_ContinuesAPartlyHandledEventInAnotherProcess(t *testing.T) {
	t.Parallel()
	ended := false
	b := setupFollower(t, nil)
	fails := handler{func(ctx context.Context, tx pgx.Tx, batch []event.Event) error {
		var done int
		err := tx.QueryRow(ctx, "SELECT count(*) FROM handled WHERE position = 2").Scan(&done)
		if err == nil && done == 7 && !ended {
			ended = true
			err = &pgconn.PgError{Code: "57P01"}
		}
		return err
	}}
	b.cfg.Handler = parts{handler: fails, large: map[int64]int{2: 10}}
	b.publish(t, someEvents(3)...)
	_, err := ledger.NewFollower(b.cfg).Step(t.Context())
	for err == nil {
		_, err = ledger.NewFollower(b.cfg).Step(t.Context())
	}
	require.True(t, postgres.Transient(err))
	require.Equal(t, 1, b.position(t))
	follow(t, ledger.NewFollower(b.cfg))
	require.Equal(t, []int64{1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3}, b.handled(t))
}

func TestFollower_SkipsAnEventWithoutProgress(t *testing.T) {
	t.Parallel()
	b := setupFollower(t, nil)
	b.cfg.Handler = parts{lazy: 3}
	b.publish(t, someEvents(5)...)
	follow(t, ledger.NewFollower(b.cfg))
	require.Equal(t, upTo(5, 3), b.handled(t))
	failures, err := ledger.ListFailures(t.Context(), b.Worker, "test", 0, 10)
	require.NoError(t, err)
	require.Len(t, failures, 1)
	require.Equal(t, "the handler made no progress", failures[0].Error)
	require.ErrorContains(t, ledger.Redrive(t.Context(), b.Worker, "test", 3, b.cfg.Handler), "no progress")
}
