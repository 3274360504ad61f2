package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"carewire/internal/config"
	"carewire/internal/postgres/postgrestest"
)

var silent = slog.New(slog.DiscardHandler)

// stops records the order in which parts were stopped.
type stops struct {
	mu    sync.Mutex
	names []string
}

func (s *stops) note(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = append(s.names, name)
}

func TestLifecycle_StopsTheFrontConcurrentlyWithTheFullTimeoutEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, began := newLifecycle(silent), time.Now()
		var ended sync.Map
		for name, takes := range map[string]time.Duration{"http": 18 * time.Second, "sockets": 19 * time.Second, "river": time.Minute} {
			g.onStop(front, name, func(ctx context.Context) error {
				select {
				case <-time.After(takes):
				case <-ctx.Done():
				}
				ended.Store(name, time.Since(began))
				return ctx.Err()
			})
		}
		g.stopAll(20 * time.Second)
		for name, at := range map[string]time.Duration{"http": 18 * time.Second, "sockets": 19 * time.Second, "river": 20 * time.Second} {
			took, _ := ended.Load(name)
			require.Equal(t, at, took, name)
		}
	})
}

func TestLifecycle_StopsTheBackAfterTheFrontAndTheDatabaseLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newLifecycle(silent)
		var s stops
		add := func(at stage, name string, takes time.Duration) {
			g.onStop(at, name, func(context.Context) error {
				<-time.After(takes) // The bubble's clock.
				s.note(name)
				return nil
			})
		}
		add(base, "tracing", 0)
		add(base, "database", 0)
		add(pools, "pool", time.Second)
		add(back, "listener", 0)
		add(front, "river", 3*time.Second)
		add(back, "sequencer", time.Second)
		add(back, "planner", time.Second)
		add(front, "http", time.Second)
		g.stopAll(20 * time.Second)
		require.Equal(t, []string{"http", "river", "planner", "sequencer", "listener", "pool", "database", "tracing"}, s.names)
	})
}

func TestLifecycle_AbandonsAPartThatDoesNotEndAndStopsTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, never, began := newLifecycle(silent), make(chan struct{}), time.Now()
		defer close(never)
		var s stops
		for _, at := range []stage{base, pools, back, front} {
			g.onStop(at, "well-behaved", func(context.Context) error {
				s.note("well-behaved")
				return nil
			})
			g.onStop(at, "deaf", func(context.Context) error {
				<-never
				return nil
			})
		}
		g.stopAll(20 * time.Second)
		require.Len(t, s.names, 4)
		require.LessOrEqual(t, time.Since(began), 20*time.Second+stopMargin+databaseTimeout, "no longer than StopTime")
	})
}

// jobs is a River client whose jobs end only when they are cancelled.
type jobs struct {
	began       time.Time
	asked, told time.Duration
	endable     bool
}

func (j *jobs) Stop(ctx context.Context) error {
	j.asked = time.Since(j.began)
	if j.endable {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (j *jobs) StopAndCancel(ctx context.Context) error {
	j.told = time.Since(j.began)
	return ctx.Err()
}

func TestStopRiver_CancelsRunningJobsInTimeToRecordTheirOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		slow := &jobs{began: time.Now()}
		require.NoError(t, stopRiver(ctx, slow))
		require.Equal(t, 14*time.Second, slow.told)
		quick := &jobs{began: time.Now(), endable: true}
		require.NoError(t, stopRiver(ctx, quick))
		require.Zero(t, quick.told, "jobs that end in time are not cancelled")
	})
}

func TestProbe_ChecksOnceForConcurrentCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int32
		broken := errors.New("broken")
		p := newProbe(func(ctx context.Context) error {
			looks.Add(1)
			<-time.After(time.Second) // The bubble's clock.
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return broken
		})
		first, cancel := context.WithCancel(t.Context())
		defer cancel()
		var all sync.WaitGroup
		for i := range 900 {
			ctx := t.Context()
			if i == 0 {
				ctx = first
			}
			all.Go(func() { require.ErrorIs(t, p.ask(ctx), broken) })
			if i == 0 {
				synctest.Wait()
				cancel() // The first caller is gone; the others still get a result.
			}
		}
		all.Wait()
		require.EqualValues(t, 1, looks.Load())
		require.ErrorIs(t, p.ask(t.Context()), broken)
		require.EqualValues(t, 1, looks.Load(), "the answer is still good")
		<-time.After(notReadyFor + 1)
		require.ErrorIs(t, p.ask(t.Context()), broken)
		require.EqualValues(t, 2, looks.Load())
	})
}

func TestProbe_ChecksAgainAfterExpiryAndAfterAPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		p := newProbe(func(context.Context) error {
			looks++
			if looks == 2 {
				panic("a bug")
			}
			return nil
		})
		require.NoError(t, p.ask(t.Context()))
		<-time.After(readyFor)
		require.NoError(t, p.ask(t.Context()))
		require.Equal(t, 1, looks)
		<-time.After(1)
		require.Panics(t, func() { _ = p.ask(t.Context()) })
		require.ErrorIs(t, p.ask(t.Context()), errCheckPanicked)
		<-time.After(notReadyFor + 1)
		require.NoError(t, p.ask(t.Context()))
	})
}

var (
	errAway  = &pgconn.PgError{Code: "57P03", Severity: "FATAL", Message: "the database system is starting up"}
	errFinal = &pgconn.PgError{Code: "28P01", Severity: "FATAL", Message: "password authentication failed"}
)

func TestWaiter_RetriesWhileTheDatabaseIsUnavailableAndReportsTheReason(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, began := newWaiter(time.Minute, nil, silent), time.Now()
		require.Equal(t, "opening the database", w.status())
		tries := 0
		require.NoError(t, w.do(t.Context(), "migrate", func(context.Context) error {
			require.Equal(t, "migrate", w.status())
			if tries++; time.Since(began) < 30*time.Second {
				time.AfterFunc(time.Millisecond, func() {
					require.Equal(t, "migrate: waiting for the database (SQLSTATE 57P03)", w.status())
				})
				return errAway
			}
			return nil
		}))
		require.Greater(t, tries, 5)
		require.Less(t, tries, 20, "the pauses grow")
	})
}

func TestWaiter_FailsAfterItsTimeoutAndImmediatelyOnOtherErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failed := make(chan error, 1)
		w, began := newWaiter(time.Minute, failed, silent), time.Now()
		err := w.do(t.Context(), "migrate", func(context.Context) error { return errAway })
		require.ErrorIs(t, err, errAway)
		require.ErrorContains(t, err, "migrate: database unavailable after 1m0s (CAREWIRE_START_TIMEOUT)")
		require.ErrorContains(t, err, "SQLSTATE 57P03")
		require.Equal(t, time.Minute, time.Since(began))

		began = time.Now()
		require.ErrorIs(t, w.do(t.Context(), "migrate", func(context.Context) error { return errFinal }), errFinal)
		require.ErrorIs(t, newWaiter(0, nil, silent).do(t.Context(), "migrate", func(context.Context) error { return errAway }), errAway)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, w.do(ended, "migrate", func(context.Context) error { return errAway }), context.Canceled)
		broken := errors.New("the embedded database ended")
		failed <- broken
		require.ErrorIs(t, w.do(t.Context(), "migrate", func(context.Context) error { return errAway }), broken)
		require.Zero(t, time.Since(began))
	})
}

func TestReady_NeedsNoConnectionOfTheWorkPools(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), config.Config{
		DatabaseURL: postgrestest.New(t).URL, DataDir: t.TempDir(), Addr: "127.0.0.1:0", RateLimit: 500, SocketsPerPerson: 50, MaxConns: 4, OIDCAudience: "carewire",
		LogLevel: "warn", LogFormat: "text", ShutdownTimeout: 10 * time.Second, Demo: true, Roles: []string{"api", "realtime"},
	}, silent)
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	require.Eventually(t, func() bool { return s.readiness(t.Context()) == nil }, time.Minute, 10*time.Millisecond)
	for _, pool := range []*pgxpool.Pool{s.db.app, s.db.worker} {
		for range pool.Config().MaxConns {
			conn, err := pool.Acquire(t.Context())
			require.NoError(t, err)
			defer conn.Release()
		}
	}
	require.NoError(t, s.ready(t.Context()))
	before := s.db.probe.Stat().AcquireCount()
	var all sync.WaitGroup
	for range 900 {
		all.Go(func() { require.NoError(t, s.readiness(t.Context())) })
	}
	all.Wait()
	require.Less(t, s.db.probe.Stat().AcquireCount()-before, int64(900), "a flood costs a few looks")
}
