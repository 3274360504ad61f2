package ledger

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff grows from least to most, doubling, with up to half of it as jitter so that instances do
// not synchronize.
type backoff struct {
	least, most time.Duration
	next        time.Duration
}

// delay returns the next wait.
func (b *backoff) delay() time.Duration {
	d := min(max(b.next, b.least), b.most)
	b.next = 2 * d
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter needs no secrecy
}

func (b *backoff) reset() { b.next = 0 }

// wait waits for d, for a wake, or for ctx to end, whichever is first. A nil wake never comes.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
	}
}
