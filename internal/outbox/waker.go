package outbox

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/wake"
)

const (
	// wakeInterval is the minimum time between two NOTIFYs of one process. The first NOTIFY of a
	// burst is sent at once. The sequencer of the same process does not wait for any of them.
	wakeInterval = 5 * time.Millisecond
	// retryInterval is the wait after a failed NOTIFY. Until then, the sequencers of other
	// processes find the events by polling.
	retryInterval = time.Second
	// soon is the delay of WakeSoon. The outcomes of one write's messages come within it.
	soon = 100 * time.Millisecond
)

// Waker wakes the sequencers of all processes when the outbox has new events.
type Waker struct {
	pool   *pgxpool.Pool
	logger *slog.Logger
	local  chan struct{}
	remote chan struct{}

	mu sync.Mutex
	// pending is the timer of a WakeSoon that has not woken yet, or nil.
	pending *time.Timer
}

// NewWaker returns a Waker that sends its NOTIFYs through the pool, which may run as any role.
func NewWaker(pool *pgxpool.Pool, logger *slog.Logger) *Waker {
	return &Waker{pool: pool, logger: logger, local: make(chan struct{}, 1), remote: make(chan struct{}, 1)}
}

// Wake wakes the sequencers after the commit of a transaction that appended events. It never
// blocks.
func (w *Waker) Wake() {
	w.mu.Lock()
	if w.pending != nil {
		w.pending.Stop() // This wake serves its events too.
		w.pending = nil
	}
	w.mu.Unlock()
	wake.Signal(w.local)
	wake.Signal(w.remote)
}

// WakeSoon is Wake for events that no one waits for, such as outcomes of messages: it wakes the
// sequencers a little later, once for all calls until then.
func (w *Waker) WakeSoon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending == nil {
		w.pending = time.AfterFunc(soon, w.Wake)
	}
}

// C returns a channel that is ready after one or more calls of Wake since the last receive. Its
// only receiver is the sequencer of this process.
func (w *Waker) C() <-chan struct{} { return w.local }

// Run notifies the other processes until ctx ends, and then returns nil. It logs the first of
// successive failures and retries. A process with a sequencer need not run it: its sequencer moves
// the events, and if that one fails, those of other processes find them by polling.
func (w *Waker) Run(ctx context.Context) error {
	q := db.New(w.pool)
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.remote:
		}
		wait := wakeInterval
		if err := q.OutboxRing(ctx); err == nil {
			failing = false
		} else if ctx.Err() == nil {
			if !failing {
				w.logger.WarnContext(ctx, "cannot notify other instances of new events; they find them by polling", "error", postgres.SafeError(err))
			}
			failing, wait = true, retryInterval
			wake.Signal(w.remote)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
