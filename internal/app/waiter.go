package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"carewire/internal/postgres"
)

const (
	// minRetryDelay and maxRetryDelay bound the delay before a step is retried. It doubles from one to
	// the other.
	minRetryDelay = 100 * time.Millisecond
	maxRetryDelay = 5 * time.Second
)

// waiter runs the steps of a start and retries while the database is unavailable.
type waiter struct {
	timeout time.Duration
	// failed receives the error of a part that ended, which ends the wait.
	failed <-chan error
	logger *slog.Logger
	at     atomic.Pointer[string]
}

func newWaiter(timeout time.Duration, failed <-chan error, logger *slog.Logger) *waiter {
	return &waiter{timeout: timeout, failed: failed, logger: logger}
}

// status returns the current step of the start. It is safe to show to anyone.
func (w *waiter) status() string {
	if at := w.at.Load(); at != nil {
		return *at
	}
	return "opening the database"
}

func (w *waiter) note(status string) { w.at.Store(&status) }

// do runs an idempotent step. While the database is unavailable (postgres.Away) it retries, until
// the timeout has passed since the first failure. Any other error ends the start.
func (w *waiter) do(ctx context.Context, step string, fn func(ctx context.Context) error) error {
	var since time.Time
	for pause := minRetryDelay; ; pause = min(2*pause, maxRetryDelay) {
		w.note(step)
		err := fn(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !postgres.Away(err):
			return postgres.Explain(err)
		}
		if since.IsZero() {
			since = time.Now()
		}
		left := w.timeout - time.Since(since)
		if left <= 0 {
			return fmt.Errorf("%s: database unavailable after %s (CAREWIRE_START_TIMEOUT): %w", step, w.timeout, postgres.Explain(err))
		}
		pause = min(pause, left)
		w.note(step + ": waiting for the database (" + postgres.SafeError(err) + ")")
		w.logger.WarnContext(ctx, "waiting for the database", "step", step, "error", postgres.Explain(err).Error(),
			"again_in", pause.String(), "gives_up_in", left.Round(time.Millisecond).String())
		if err := w.pause(ctx, pause); err != nil {
			return err
		}
	}
}

// pause waits for d. It returns early with an error when ctx is done or a part of the service
// fails.
func (w *waiter) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-w.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
