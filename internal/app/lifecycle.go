package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// stage says when a part is stopped: the stages follow one another, so that each part still has what it depends on while
// it finishes.
type stage int

const (
	// front takes in work: requests, sockets, jobs. Its parts stop side by side, each within the whole of the timeout.
	front stage = iota
	// back is what the front feeds and calls: the sequencer, the followers, the hub, the providers. Its parts stop in the
	// reverse order of their start.
	back
	// pools are the connections to the database. They close side by side.
	pools
	// base is what everything else uses: the embedded database and the traces. Its parts stop in the reverse order of their
	// start.
	base
)

const (
	// stageTimeout bounds the stop of the parts of back, and of pools: none of them has work of its own to finish.
	stageTimeout = 5 * time.Second
	// databaseTimeout is longer than the embedded server takes from the first signal to the last.
	databaseTimeout = 25 * time.Second
	// stopGrace is how long a part may take after its time is up, before it is left behind.
	stopGrace = time.Second
)

// stopMargin is how long a stop may take beyond the drain delay and the shutdown timeout, without an embedded database.
const stopMargin = 3*stageTimeout + 4*stopGrace

// group runs the service's parts and stops them stage by stage.
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

// run starts a part of the stage back, which works until its context ends. One that ends before it was asked to fails the
// service.
func (l *lifecycle) run(name string, fn func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := fn(ctx)
		if ctx.Err() == nil {
			l.fail(fmt.Errorf("%s ended by itself: %w", name, err))
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

// onStop adds a part that runs on its own and is stopped by the function.
func (l *lifecycle) onStop(s stage, name string, stop func(ctx context.Context) error) {
	l.parts = append(l.parts, part{name, s, stop})
}

// fail ends the service with err; the first failure counts.
func (l *lifecycle) fail(err error) {
	select {
	case l.failed <- err:
	default:
	}
}

// stopAll stops every part, stage by stage. timeout is how long requests, sockets and jobs may take; what comes after them
// has times of its own, so that a front that used up its time takes nothing from the data. It always returns: a part that
// does not end is named in the log and left behind.
func (l *lifecycle) stopAll(timeout time.Duration) {
	l.stopTogether(front, timeout)
	l.stopInTurn(back, stageTimeout)
	l.stopTogether(pools, stageTimeout)
	l.stopInTurn(base, databaseTimeout)
	l.parts = nil
}

// stopTogether stops the parts of a stage side by side.
func (l *lifecycle) stopTogether(s stage, timeout time.Duration) {
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

// stopInTurn stops the parts of a stage in the reverse order of their start. They share the time.
func (l *lifecycle) stopInTurn(s stage, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for _, p := range slices.Backward(l.parts) {
		if p.stage == s {
			l.stop(ctx, p)
		}
	}
}

// stop stops one part, and gives it up when it takes longer than its time and the grace.
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
			err = fmt.Errorf("it did not end: %w", ctx.Err())
		}
	}
	if err != nil {
		l.logger.Warn("part did not stop cleanly", "part", p.name, "error", err.Error())
	}
}
