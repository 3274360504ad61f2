package outbox

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

const (
	// wakeInterval is the least time between two NOTIFYs of one process. The first of a burst goes out at once; this
	// process's own sequencer does not wait for any of them.
	wakeInterval = 5 * time.Millisecond
	// ringRetry is the pause after a NOTIFY that did not get through. The sequencers' poll carries the events meanwhile.
	ringRetry = time.Second
)

// Waker tells the sequencers, of this process and of all others, that the outbox holds something.
type Waker struct {
	pool   *pgxpool.Pool
	logger *slog.Logger
	here   chan struct{}
	others chan struct{}
}

// NewBell makes a bell that sends its NOTIFYs through the pool, of any role.
func NewBell(pool *pgxpool.Pool, logger *slog.Logger) *Waker {
	return &Waker{pool: pool, logger: logger, here: make(chan struct{}, 1), others: make(chan struct{}, 1)}
}

// Wake says that a transaction that appended has committed. It never blocks.
func (b *Waker) Wake() {
	signal(b.here)
	signal(b.others)
}

// C is ready after a Ring, however many there were since it was last received from. It has one receiver: this process's
// sequencer.
func (b *Waker) C() <-chan struct{} { return b.here }

// Run passes the rings on to the other processes until ctx ends, and then returns nil. A database that does not answer
// is logged, once until it answers again, and tried again.
func (b *Waker) Run(ctx context.Context) error {
	q := db.New(b.pool)
	silent := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.others:
		}
		pause := wakeInterval
		if err := q.OutboxRing(ctx); err == nil {
			silent = false
		} else if ctx.Err() == nil {
			if !silent {
				b.logger.WarnContext(ctx, "other instances are not told of new events; they poll", "error", postgres.SafeError(err))
			}
			silent, pause = true, ringRetry
			signal(b.others)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// signal makes a channel of capacity 1 ready, if it is not already.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
