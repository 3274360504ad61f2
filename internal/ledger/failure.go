package ledger

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// failure is an event that failed alone, and why.
type failure struct {
	event event.Event
	err   error
}

// handleFunc is handleBatch or handleEach. It tells which events are passed over.
type handleFunc func(ctx context.Context, tx pgx.Tx, batch []event.Event) ([]failure, error)

func (f *Follower) handleBatch(ctx context.Context, tx pgx.Tx, batch []event.Event) ([]failure, error) {
	return nil, call(ctx, f.cfg.Handler, tx, batch)
}

// handleEach finds out which events of a batch fail by their own fault, records them, and handles the others.
func (f *Follower) handleEach(ctx context.Context, tx pgx.Tx, batch []event.Event) ([]failure, error) {
	var failures []failure
	for i := range batch {
		err := alone(ctx, f.cfg.Handler, tx, batch[i])
		if err == nil {
			continue
		}
		if postgres.Transient(err) {
			return nil, err
		}
		failures = append(failures, failure{batch[i], err})
		err = db.New(tx).FailureInsert(ctx, db.FailureInsertParams{
			Follower: f.cfg.Name, Position: batch[i].Position, EventID: batch[i].ID, Error: postgres.SafeError(err),
		})
		if err != nil {
			return nil, fmt.Errorf("record a failure: %w", err)
		}
	}
	return failures, nil
}

// alone handles one event under a savepoint.
func alone(ctx context.Context, h Handler, tx pgx.Tx, e event.Event) error {
	return pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
		if err := call(ctx, h, savepoint, []event.Event{e}); err != nil {
			return err
		}
		// Also finds a statement that failed without the handler saying so.
		return db.New(savepoint).FollowerCheckConstraints(ctx)
	})
}

// panicError is a handler's panic. Its value may quote the event and is not kept; the stack holds no values.
type panicError struct{ stack string }

func (*panicError) Error() string { return "the handler panicked" }

// call makes a panic an error like any other: one event must not stop the process, nor this follower for ever.
func call(ctx context.Context, h Handler, tx pgx.Tx, batch []event.Event) (err error) {
	defer func() {
		if recover() != nil {
			err = &panicError{stack: string(debug.Stack())}
		}
	}()
	return h.Handle(ctx, tx, batch)
}

// Failure is an event that a follower could not handle and passed over.
type Failure struct {
	Follower string    `json:"follower"`
	Position int64     `json:"position"`
	EventID  uuid.UUID `json:"eventId"`
	// Error tells classes and codes, never data.
	Error string `json:"error"`
	// Attempts counts the first one and each redrive.
	Attempts   int32      `json:"attempts"`
	FailedAt   time.Time  `json:"failedAt"`
	RedrivenAt *time.Time `json:"redrivenAt,omitempty"`
}

// Failures gives at most limit events that a follower passed over and that were not redriven yet, the oldest first. An
// empty name asks for those of every follower.
func Failures(ctx context.Context, q db.DBTX, follower string, limit int32) ([]Failure, error) {
	rows, err := db.New(q).FailureList(ctx, db.FailureListParams{Follower: follower, MaxFailures: limit})
	if err != nil {
		return nil, fmt.Errorf("list a follower's failures: %w", postgres.Translate(err))
	}
	failures := make([]Failure, len(rows))
	for i, r := range rows {
		failures[i] = Failure{
			Follower: r.Follower, Position: r.Position, EventID: r.EventID, Error: r.Error, Attempts: r.Attempts,
			FailedAt: r.FailedAt.UTC(), RedrivenAt: r.RedrivenAt,
		}
	}
	return failures, nil
}

// Redrive lets the handler work on one event that its follower passed over, alone and out of order, and marks the
// failure as redriven in the same transaction. When the handler fails again the failure keeps the new error, which is
// given back. It refuses with care.NotFound what did not fail, and with care.Conflict what was redriven already.
func Redrive(ctx context.Context, pool *pgxpool.Pool, follower string, position int64, h Handler) error {
	var id int64
	var handling bool
	err := postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.FailureTake(ctx, db.FailureTakeParams{Follower: follower, Position: position})
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return care.Errorf(care.NotFound, "follower %s has no failure at position %d", follower, position)
		case err != nil:
			return err
		case row.RedrivenAt != nil:
			return care.Errorf(care.Conflict, "the failure of follower %s at position %d was redriven already", follower, position)
		}
		e, err := q.EventGet(ctx, position)
		if err != nil {
			return err
		}
		id, handling = row.ID, true
		if err := alone(ctx, h, tx, EventFromRow(e)); err != nil {
			return err
		}
		handling = false
		return q.FailureRedriven(ctx, row.ID)
	})
	if err == nil {
		return nil
	}
	if handling && !postgres.Transient(err) {
		again := db.New(pool).FailureAgain(ctx, db.FailureAgainParams{ID: id, Error: postgres.SafeError(err)})
		err = errors.Join(err, postgres.Translate(again))
	}
	return fmt.Errorf("redrive position %d of follower %s: %w", position, follower, err)
}
