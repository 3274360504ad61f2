package ledger_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
)

// seen collects the events of a tail.
type seen struct {
	mu      sync.Mutex
	events  []event.Event
	resyncs []string
	at      ledger.Cursor
}

func (s *seen) add(batch []event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, batch...)
}

func (s *seen) resync(reason string, at ledger.Cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resyncs, s.at = append(s.resyncs, reason), at
}

func (s *seen) all() []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events
}

func (s *seen) reasons() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resyncs
}

func (b *bundle) tail(t *testing.T, s *seen, cfg ledger.TailConfig) {
	t.Helper()
	cfg.Pool, cfg.Logger, cfg.OnResync = b.App, b.logger, s.resync
	run(t, func(ctx context.Context) error { return ledger.NewTail(cfg).Run(ctx, s.add) })
}

func TestTail_MissesNothingWithManyWritersAndAKilledListener(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.publish(t, someEvents(5)...)
	// As in one instance: one listener, one waker, a sequencer woken by both, without polling.
	listener := ledger.NewListener(postgres.Config{URL: b.URL, Role: postgres.Worker, AppName: "listener"}, b.logger)
	waker := outbox.NewWaker(b.Worker, b.logger)
	writer := outbox.NewWriter(b.App, waker)
	wake, stop := listener.Ledger()
	defer stop()
	run(t, listener.Run)
	run(t, waker.Run)
	run(t, ledger.NewSequencer(ledger.SequencerConfig{
		Pool: b.Worker, Logger: b.logger, Batch: 11, Poll: time.Hour, Wake: []<-chan struct{}{waker.C(), listener.Outbox()},
	}).Run)
	var fromStart, fromFive seen
	b.tail(t, &fromStart, ledger.TailConfig{Batch: 7, Poll: time.Hour, Wake: wake})
	b.tail(t, &fromFive, ledger.TailConfig{Batch: 100, Poll: 5 * time.Millisecond, From: 5})

	kill := b.superuser(t)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 40 {
				events := someEvents(2)
				if err := writer.InTx(t.Context(), care.Command{Actor: care.SystemActor("test")}, func(tx pgx.Tx) error { return outbox.Append(t.Context(), tx, events...) }); err != nil {
					t.Error(err)
				}
				if w == 0 && i%10 == 0 {
					_, err := kill.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'listener' AND datname = current_database()")
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	writers.Wait()
	require.Eventually(t, func() bool { return len(fromStart.all()) >= 325 && len(fromFive.all()) >= 320 }, soon, 5*time.Millisecond)
	require.Equal(t, b.all(t), fromStart.all())
	require.Equal(t, b.all(t)[5:], fromFive.all())
	require.Empty(t, fromStart.reasons())
	require.Contains(t, b.log.String(), "lost the connection for notifications", "the listener was killed")
}

func TestTail_ResyncsWhenHistoryHasChanged(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ damage, reason string }{
		"another event stands there": {"UPDATE events SET leaf_hash = sha256('x') WHERE position = 10", ledger.ReasonHistoryChanged},
		"the ledger ends before":     {"DELETE FROM events WHERE position > 6", ledger.ReasonUnknownPosition},
		"the ledger is empty":        {"DELETE FROM events", ledger.ReasonUnknownPosition},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.publish(t, someEvents(10)...)
			var s seen
			b.tail(t, &s, ledger.TailConfig{Poll: time.Millisecond})
			require.Eventually(t, func() bool { return len(s.all()) == 10 }, soon, time.Millisecond)
			exec(t, b.superuser(t), "SET session_replication_role = replica; "+tc.damage)
			require.Eventually(t, func() bool { return len(s.reasons()) > 0 }, soon, time.Millisecond)
			head, err := ledger.Head(t.Context(), b.App)
			require.NoError(t, err)
			require.Equal(t, head, s.at, "it goes on from the head")

			e := anEvent()
			b.publish(t, e)
			require.Eventually(t, func() bool { return len(s.all()) == 11 }, soon, time.Millisecond)
			require.Equal(t, e.ID, s.all()[10].ID)
			require.Equal(t, []string{tc.reason}, s.reasons())
		})
	}
}

func TestTail_ResyncsWhenItsFirstPositionIsPastTheHead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var s seen
	b.tail(t, &s, ledger.TailConfig{Poll: time.Millisecond, From: 99})
	require.Eventually(t, func() bool { return len(s.reasons()) == 1 }, soon, time.Millisecond)
	require.Equal(t, ledger.Cursor{Epoch: 1}, s.at)
}

func TestTail_ContinuesAfterItsConnectionsWereKilled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.publish(t, someEvents(3)...)
	var s seen
	b.tail(t, &s, ledger.TailConfig{Poll: time.Millisecond})
	kill := b.superuser(t)
	for range 3 {
		exec(t, kill, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		require.Eventually(t, func() bool {
			return b.tryCommit(t.Context(), anEvent()) == nil
		}, soon, time.Millisecond)
	}
	require.Eventually(t, func() bool {
		_, err := b.sequencer(t, 0).Step(t.Context())
		return err == nil && len(s.all()) == 6
	}, soon, time.Millisecond)
	require.Equal(t, b.all(t), s.all())
	require.Empty(t, s.reasons())
}

func TestListener_WakesEveryReceiverOnConnectingAndForNotifications(t *testing.T) {
	t.Parallel()
	b := setup(t)
	listener := ledger.NewListener(postgres.Config{URL: b.URL, Role: postgres.App}, b.logger)
	one, stopOne := listener.Ledger()
	two, stopTwo := listener.Ledger()
	defer stopTwo()
	woken := func(c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(soon):
			t.Fatal("not woken")
		}
	}
	woken(one) // There may be events to read before it has connected.
	woken(two)
	run(t, listener.Run)
	woken(listener.Outbox())
	woken(one)
	woken(two)
	stopOne()
	b.publish(t, anEvent())
	woken(two)
	require.Empty(t, one, "one has stopped")

	waker := outbox.NewWaker(b.App, b.logger)
	run(t, waker.Run)
	waker.Wake()
	woken(listener.Outbox())
}
