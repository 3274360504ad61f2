package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// failure is an event that failed alone, and its error.
type failure struct {
	event event.Event
	err   error
}

// result is the result of a handleFunc: the number of events of the batch that are done, the dead
// letters among them, and how much of the next event is done.
type result struct {
	events   int
	part     int64
	failures []failure
}

// handleFunc is handleBatch, handleEach or skipUnreadable.
type handleFunc func(ctx context.Context, tx pgx.Tx, batch []event.Event) (result, error)

func (f *Follower) handleBatch(ctx context.Context, tx pgx.Tx, batch []event.Event) (result, error) {
	p, err := call(ctx, f.cfg.Handler, tx, batch, f.before)
	return result{events: p.Events, part: p.Part}, err
}

// handleEach handles the events of a batch one by one and records those that fail by their own
// fault.
func (f *Follower) handleEach(ctx context.Context, tx pgx.Tx, batch []event.Event) (done result, err error) {
	for i := range batch {
		p, err := handleOne(ctx, f.cfg.Handler, tx, batch[i], f.before)
		switch {
		case err == nil && p.Events == 0:
			done.part = p.Part
			return done, nil
		case err == nil:
		case postgres.Transient(err):
			return result{}, err
		default:
			if err := f.record(ctx, tx, batch[i], err, &done); err != nil {
				return result{}, err
			}
		}
		done.events++
	}
	return done, nil
}

// skipUnreadable records events that cannot be read.
func (f *Follower) skipUnreadable(ctx context.Context, tx pgx.Tx, batch []event.Event) (done result, err error) {
	for i := range batch {
		if err := f.record(ctx, tx, batch[i], &UnreadableError{batch[i].Position, batch[i].Unreadable}, &done); err != nil {
			return result{}, err
		}
		done.events++
	}
	return done, nil
}

func (f *Follower) record(ctx context.Context, tx pgx.Tx, e event.Event, cause error, done *result) error {
	done.failures = append(done.failures, failure{e, cause})
	err := db.New(tx).FailureInsert(ctx, db.FailureInsertParams{
		Follower: f.cfg.Name, Position: e.Position, EventID: e.ID, Error: postgres.SafeError(cause),
	})
	if err != nil {
		return fmt.Errorf("record a failure: %w", err)
	}
	return nil
}

// Failure is an event that a follower could not handle and skipped.
type Failure struct {
	Follower string    `json:"follower" example:"dispatch"`
	Position int64     `json:"position" doc:"The event's position in the ledger, which identifies the failure."`
	EventID  uuid.UUID `json:"eventId" format:"uuid"`
	// Error has classes and codes, never data.
	Error string `json:"error" doc:"Error classes and codes, never data." example:"SQLSTATE 23514 constraint notifications_priority_known"`
	// Attempts counts the first attempt and each redrive.
	Attempts   int32      `json:"attempts" doc:"Number of attempts: the first one and each redrive."`
	FailedAt   time.Time  `json:"failedAt" format:"date-time"`
	RedrivenAt *time.Time `json:"redrivenAt,omitempty" format:"date-time"`
}

// ListFailures returns at most limit failures after a position that were not redriven yet, oldest
// first. An empty follower name selects those of every follower.
func ListFailures(ctx context.Context, q db.DBTX, follower string, after int64, limit int32) ([]Failure, error) {
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

// Redrive has the handler process one event that its follower skipped, alone and out of order, and
// marks the failure as redriven in the same transaction. A PartialHandler may need several
// transactions; the last one marks it. If the handler fails again, Redrive returns the new error
// and stores it with the failure. It returns care.NotFound for an event that did not fail, and
// care.Conflict for one that was redriven already.
func Redrive(ctx context.Context, pool *pgxpool.Pool, follower string, position int64, h Handler) error {
	r := redrive{follower: follower, position: position, handler: h}
	var err error
	for err == nil && !r.done {
		r.handling = false
		err = postgres.InTx(ctx, pool, func(tx pgx.Tx) error { return r.attempt(ctx, tx) })
	}
	if err == nil {
		return nil
	}
	if r.handling && !postgres.Transient(err) {
		again := db.New(pool).FailureAgain(ctx, db.FailureAgainParams{ID: r.id, Error: postgres.SafeError(err)})
		err = errors.Join(err, postgres.Translate(again))
	}
	return fmt.Errorf("redrive position %d of follower %s: %w", position, follower, err)
}

// redrive is one call of Redrive. id is the failure's; handling reports that the handler was called
// and has not succeeded.
type redrive struct {
	follower string
	position int64
	handler  Handler

	id             int64
	before         partDone
	handling, done bool
}

func (r *redrive) attempt(ctx context.Context, tx pgx.Tx) error {
	q := db.New(tx)
	row, err := q.FailureTake(ctx, db.FailureTakeParams{Follower: r.follower, Position: r.position})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return care.Errorf(care.NotFound, "follower %s has no failure at position %d", r.follower, r.position)
	case err != nil:
		return err
	case row.RedrivenAt != nil:
		return care.Errorf(care.Conflict, "the failure of follower %s at position %d was already redriven", r.follower, r.position)
	}
	events, err := Read(ctx, tx, r.position-1, 1)
	if err != nil {
		return err
	}
	if len(events) == 0 || events[0].Position != r.position {
		return care.Errorf(care.NotFound, "the ledger has no event at position %d", r.position)
	}
	r.id, r.handling = row.ID, true
	if events[0].Unreadable != "" {
		return &UnreadableError{r.position, events[0].Unreadable}
	}
	p, err := handleOne(ctx, r.handler, tx, events[0], r.before)
	if err != nil {
		return err
	}
	r.handling = false
	if p.Events == 0 {
		r.before = partDone{r.position, p.Part}
		return nil
	}
	r.done = true
	return q.FailureRedriven(ctx, row.ID)
}
