package scheduler

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"

	"carewire/internal/postgres/db"
)

// panicError is a source's panic. The panic's value may quote a row and is dropped.
type panicError struct{}

func (panicError) Error() string    { return "the source panicked" }
func (panicError) SafeText() string { return "the source panicked" }

// guarded is a source whose panics are errors: a bug of one source must stop neither the process nor
// the other sources.
type guarded struct {
	Source
	logger *slog.Logger
	stats  *sourceStats
}

// guard converts a panic to an error. The logged stack has no values.
func (g guarded) guard(ctx context.Context, err *error) {
	if recover() != nil {
		g.stats.panics.Add(1)
		g.logger.ErrorContext(ctx, "a source of the scheduler panicked", "source", g.Name(), "stack", string(debug.Stack()))
		*err = panicError{}
	}
}

// Next implements Source.
func (g guarded) Next(ctx context.Context, q db.DBTX) (wait time.Duration, waits bool, err error) {
	defer g.guard(ctx, &err)
	return g.Source.Next(ctx, q)
}

// Work implements Source.
func (g guarded) Work(ctx context.Context, tx pgx.Tx, limit int) (handled int, err error) {
	defer g.guard(ctx, &err)
	return g.Source.Work(ctx, tx, limit)
}

// Postpone implements Source.
func (g guarded) Postpone(ctx context.Context, tx pgx.Tx, by time.Duration) (err error) {
	defer g.guard(ctx, &err)
	return g.Source.Postpone(ctx, tx, by)
}
