// Package refusal records repeated refusals in the audit trail: the first of a window at once, and the
// others as a count after it, so that a program that does not stop cannot fill the ledger.
package refusal

import (
	"context"
	"errors"
	"sync"
	"time"

	"carewire/internal/care"
)

const (
	// Window is the time after a refusal in which further ones of the same key are only counted.
	Window = time.Minute
	// MaxWindows bounds the keys that are counted at once. One takes about 500 bytes. Further refusals
	// are not recorded until a window ends.
	MaxWindows = 10_000
	// recordTimeout bounds the recording of counted refusals when the counter stops.
	recordTimeout = 5 * time.Second
)

// Counter counts refusals by a key, such as the person and the reason. S is what is recorded of a key,
// such as the person's id, and found once in a window. It is safe for concurrent use.
type Counter[K comparable, S any] struct {
	// Now is the clock. Tests replace it.
	Now    func() time.Time
	record func(ctx context.Context, cmd care.Command, key K, subject S, n int64) error
	failed func(ctx context.Context, key K, n int64, err error)

	mu   sync.Mutex
	open map[K]*window[S]
}

// window counts the refusals since the one that opened it. cmd is the last one's.
type window[S any] struct {
	ends    time.Time
	count   int64
	cmd     care.Command
	subject S
	found   bool
}

// NewCounter returns a Counter. record appends the event of n refusals. failed is called if it returns
// an error for the count of an ended window.
func NewCounter[K comparable, S any](record func(ctx context.Context, cmd care.Command, key K, subject S, n int64) error,
	failed func(ctx context.Context, key K, n int64, err error),
) *Counter[K, S] {
	return &Counter[K, S]{Now: time.Now, record: record, failed: failed, open: map[K]*window[S]{}}
}

// Count records the first refusal of a window at once, and counts the others. find returns the subject,
// or false if there is nothing to record; it is called once in a window.
func (c *Counter[K, S]) Count(ctx context.Context, cmd care.Command, key K, find func() (S, bool, error)) error {
	c.mu.Lock()
	current, running := c.open[key]
	if running && c.Now().Before(current.ends) {
		current.count++
		current.cmd = cmd
		c.mu.Unlock()
		return nil
	}
	if !running && len(c.open) >= MaxWindows {
		c.mu.Unlock()
		return errors.New("too many are refused at once")
	}
	var ended window[S]
	if running {
		ended = *current
	}
	current = &window[S]{ends: c.Now().Add(Window), cmd: cmd}
	c.open[key] = current
	c.mu.Unlock()

	failed := c.recordEnded(ctx, key, ended)
	subject, ok, err := find()
	if err != nil || !ok {
		return errors.Join(failed, err)
	}
	c.mu.Lock()
	current.subject, current.found = subject, true
	c.mu.Unlock()
	return errors.Join(failed, c.record(ctx, cmd, key, subject, 1))
}

// recordEnded records the refusals that an ended window has counted.
func (c *Counter[K, S]) recordEnded(ctx context.Context, key K, ended window[S]) error {
	if ended.count == 0 || !ended.found {
		return nil
	}
	return c.record(ctx, ended.cmd, key, ended.subject, ended.count)
}

// Run records the counts of windows soon after they end, and those of all at the end of ctx. Run it
// once.
func (c *Counter[K, S]) Run(ctx context.Context) error {
	tick := time.NewTicker(Window / 4)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.Flush(ctx, c.Now())
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
			defer cancel()
			c.Flush(last, c.Now().Add(Window))
			return nil
		}
	}
}

// Flush closes the windows that end by the time, and records their counts.
func (c *Counter[K, S]) Flush(ctx context.Context, by time.Time) {
	ended := map[K]window[S]{}
	c.mu.Lock()
	for key, w := range c.open {
		if !w.ends.After(by) {
			ended[key] = *w
			delete(c.open, key)
		}
	}
	c.mu.Unlock()
	for key, w := range ended {
		if err := c.recordEnded(ctx, key, w); err != nil {
			c.failed(ctx, key, w.count, err)
		}
	}
}

// Len returns the number of open windows.
func (c *Counter[K, S]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
