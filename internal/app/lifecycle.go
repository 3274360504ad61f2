package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// stage is the phase in which a part is stopped. The stages follow one another, so that a part
// still has its dependencies while it finishes.
type stage int

const (
	// front accepts work: requests, sockets, jobs. Its parts stop concurrently, each within the whole
	// of the timeout.
	front stage = iota
	// back serves the front: the sequencer, the followers, the hub, the providers. Its parts stop in
	// the reverse order of their start.
	back
	// pools are the connections to the database. They close concurrently.
	pools
	// base is used by everything else: the embedded database and tracing. Its parts stop in the
	// reverse order of their start.
	base
)

const (
	// stageTimeout bounds the stop of the back stage, and of the pools: neither has work of its own to
	// finish.
	stageTimeout = 5 * time.Second
	// databaseTimeout is longer than the embedded server takes from the first signal to the last.
	databaseTimeout = 25 * time.Second
	// stopGrace is how long a part may exceed its timeout before it is abandoned.
	stopGrace = time.Second
)

// stopMargin is the longest time a stop takes beyond the drain delay and the shutdown timeout,
// without an embedded database.
const stopMargin = 3*stageTimeout + 4*stopGrace

// lifecycle runs the service's parts and stops them stage by stage.
type lifecycle struct {
	logger *slog.Logger
	parts  []part
	failed chan error
}

type part struct {
	name  string
	stage stage
	// stop asks the part to end and waits until it has, at most until ctx is done.
	stop func(ctx context.Context) error
}

func newLifecycle(logger *slog.Logger) *lifecycle {
	return &lifecycle{logger: logger, failed: make(chan error, 1)}
}

// run starts a part of the back stage, which works until its context is cancelled. A part that ends
// before that fails the service.
func (l *lifecycle) run(name string, fn func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := fn(ctx)
		if ctx.Err() == nil {
			l.fail(fmt.Errorf("%s ended unexpectedly: %w", name, err))
		}
	}()
	l.onStop(back, name, func(stopCtx context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-stopCtx.Done():
			return stopCtx.Err()
		}
	})
}

// onStop adds a part that is already running, with the function that stops it.
func (l *lifecycle) onStop(s stage, name string, stop func(ctx context.Context) error) {
	l.parts = append(l.parts, part{name, s, stop})
}

// fail ends the service with err. Only the first failure counts.
func (l *lifecycle) fail(err error) {
	select {
	case l.failed <- err:
	default:
	}
}

// stopAll stops every part, stage by stage. timeout bounds requests, sockets and jobs; the later
// stages have their own timeouts, so that a slow front stage does not shorten theirs and risk data.
// It always returns: a part that does not end is logged and abandoned.
func (l *lifecycle) stopAll(timeout time.Duration) {
	l.stopConcurrently(front, timeout)
	l.stopInReverse(back, stageTimeout)
	l.stopConcurrently(pools, stageTimeout)
	l.stopInReverse(base, databaseTimeout)
	l.parts = nil
}

// stopConcurrently stops the parts of a stage at the same time.
func (l *lifecycle) stopConcurrently(s stage, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var all sync.WaitGroup
	for _, p := range l.parts {
		if p.stage == s {
			all.Go(func() { l.stop(ctx, p) })
		}
	}
	all.Wait()
}

// stopInReverse stops the parts of a stage in the reverse order of their start. They share the
// timeout.
func (l *lifecycle) stopInReverse(s stage, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for _, p := range slices.Backward(l.parts) {
		if p.stage == s {
			l.stop(ctx, p)
		}
	}
}

// stop stops one part. It abandons a part that exceeds its timeout and the grace period.
func (l *lifecycle) stop(ctx context.Context, p part) {
	ended := make(chan error, 1)
	go func() { ended <- p.stop(ctx) }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		grace := time.NewTimer(stopGrace)
		defer grace.Stop()
		select {
		case err = <-ended:
		case <-grace.C:
			err = fmt.Errorf("timed out: %w", ctx.Err())
		}
	}
	if err != nil {
		l.logger.Warn("part did not stop cleanly", "part", p.name, "error", err.Error())
	}
}
