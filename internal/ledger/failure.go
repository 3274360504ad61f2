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

// FollowerStatus is where a follower stands.
type FollowerStatus struct {
	Name     string `json:"name" example:"dispatch"`
	Position int64  `json:"position" doc:"The last position that it handled or passed over."`
	Lag      int64  `json:"lag" doc:"How many events it has not come to yet."`
	// Failures counts those that wait for a redrive.
	Failures  int64     `json:"failures" doc:"How many events it passed over and that were not redriven yet."`
	UpdatedAt time.Time `json:"updatedAt" format:"date-time" doc:"When it advanced last."`
}

// Followers tells where each follower stands, by name.
func Followers(ctx context.Context, q db.DBTX) ([]FollowerStatus, error) {
	rows, err := db.New(q).FollowerList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list followers: %w", postgres.Translate(err))
	}
	all := make([]FollowerStatus, len(rows))
	for i, r := range rows {
		all[i] = FollowerStatus{Name: r.Name, Position: r.Position, Lag: r.Lag, Failures: r.Failures, UpdatedAt: r.UpdatedAt.UTC()}
	}
	return all, nil
}

// Failure is an event that a follower could not handle and passed over.
type Failure struct {
	Follower string    `json:"follower" example:"dispatch"`
	Position int64     `json:"position" doc:"The event's place in the ledger; names the failure."`
	EventID  uuid.UUID `json:"eventId" format:"uuid"`
	// Error tells classes and codes, never data.
	Error string `json:"error" doc:"Classes and codes, never data." example:"SQLSTATE 23514 constraint notifications_priority_known"`
	// Attempts counts the first one and each redrive.
	Attempts   int32      `json:"attempts" doc:"The first one and each redrive."`
	FailedAt   time.Time  `json:"failedAt" format:"date-time"`
	RedrivenAt *time.Time `json:"redrivenAt,omitempty" format:"date-time"`
}

// Failures gives at most limit events after a position that a follower passed over and that were not redriven yet, the
// oldest first. An empty name asks for those of every follower.
func Failures(ctx context.Context, q db.DBTX, follower string, after int64, limit int32) ([]Failure, error) {
	rows, err := db.New(q).FailureList(ctx, db.FailureListParams{Follower: follower, AfterPosition: after, MaxFailures: limit})
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
