package app

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// readyFor and notReadyFor are how long a result of the readiness check is cached. A load balancer
	// asks every few seconds; the shorter one lets it find an instance soon after it has become ready.
	readyFor    = time.Second
	notReadyFor = 100 * time.Millisecond
)

// probe checks readiness for any number of callers: one check at a time, with a result that
// concurrent and soon following callers share.
type probe struct {
	// fn has its own timeout.
	fn func(ctx context.Context) error

	mu   sync.Mutex
	last *check
}

var errCheckPanicked = errors.New("the readiness check panicked")

// check is one readiness check.
type check struct {
	// done is closed when the fields below are set.
	done  chan struct{}
	err   error
	until time.Time
}

func newProbe(fn func(ctx context.Context) error) *probe { return &probe{fn: fn} }

// ask returns the reason the service is not ready, or nil. The first caller runs the check, with a
// context that is not cancelled with its own, since other callers wait for the result.
func (p *probe) ask(ctx context.Context) error {
	p.mu.Lock()
	c := p.last
	mine := c == nil || c.over()
	if mine {
		c = &check{done: make(chan struct{})}
		p.last = c
	}
	p.mu.Unlock()
	if mine {
		c.err = errCheckPanicked // Callers that wait get this error if the check panics.
		defer c.end()
		c.err = p.fn(context.WithoutCancel(ctx))
		return c.err
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end publishes the result.
func (c *check) end() {
	c.until = time.Now().Add(readyFor)
	if c.err != nil {
		c.until = time.Now().Add(notReadyFor)
	}
	close(c.done)
}

// over reports whether the result has expired.
func (c *check) over() bool {
	select {
	case <-c.done:
		return time.Now().After(c.until)
	default:
		return false
	}
}
