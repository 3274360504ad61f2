package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// group runs the service's parts and stops them in the reverse order of their start, so that each still has what it
// depends on while it finishes.
type group struct {
	logger *slog.Logger
	parts  []part
	failed chan error
}

type part struct {
	name string
	// stop asks the part to end and waits until it has, at most until ctx is done.
	stop func(ctx context.Context) error
}

func newGroup(logger *slog.Logger) *group {
	return &group{logger: logger, failed: make(chan error, 1)}
}

// run starts a part that works until its context ends. One that ends before it was asked to fails the service.
func (g *group) run(name string, fn func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := fn(ctx)
		if ctx.Err() == nil {
			g.fail(fmt.Errorf("%s ended by itself: %w", name, err))
		}
	}()
	g.onStop(name, func(stopCtx context.Context) error {
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
func (g *group) onStop(name string, stop func(ctx context.Context) error) {
	g.parts = append(g.parts, part{name, stop})
}

// fail ends the service with err; the first failure counts.
func (g *group) fail(err error) {
	select {
	case g.failed <- err:
	default:
	}
}

// stopAll stops every part, the last started first. The work shares one timeout; what holds the data (pools, the
// database) is stopped after it all the same.
func (g *group) stopAll(timeout time.Duration) {
	deadline, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for _, p := range slices.Backward(g.parts) {
		ctx, cancel := deadline, context.CancelFunc(func() {})
		if deadline.Err() != nil {
			ctx, cancel = context.WithTimeout(context.Background(), 5*time.Second)
		}
		if err := p.stop(ctx); err != nil {
			g.logger.Warn("part did not stop cleanly", "part", p.name, "error", err.Error())
		}
		cancel()
	}
	g.parts = nil
}
