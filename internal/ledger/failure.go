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

// failure is an event that failed alone, and why.
type failure struct {
	event event.Event
	err   error
}

// result is what a handleFunc did: how many events of the batch are passed, which of them by dead letter, and how much of the
// event after them is done.
type result struct {
	passed   int
	part     int64
	failures []failure
}

// handleFunc is handleBatch, handleEach or setAside.
type handleFunc func(ctx context.Context, tx pgx.Tx, batch []event.Event) (result, error)

func (f *Follower) handleBatch(ctx context.Context, tx pgx.Tx, batch []event.Event) (result, error) {
	p, err := call(ctx, f.cfg.Handler, tx, batch, f.before)
	return result{passed: p.Events, part: p.Part}, err
}

// handleEach finds out which events of a batch fail by their own fault, records them, and handles the others.
func (f *Follower) handleEach(ctx context.Context, tx pgx.Tx, batch []event.Event) (done result, err error) {
	for i := range batch {
		p, err := alone(ctx, f.cfg.Handler, tx, batch[i], f.before)
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
		done.passed++
	}
	return done, nil
}

// setAside records events that cannot be read.
func (f *Follower) setAside(ctx context.Context, tx pgx.Tx, batch []event.Event) (done result, err error) {
	for i := range batch {
		if err := f.record(ctx, tx, batch[i], &UnreadableError{batch[i].Position, batch[i].Unreadable}, &done); err != nil {
			return result{}, err
		}
		done.passed++
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
// failure as redriven in the same transaction. A PartialHandler may need several; the last one marks it. When the handler
// fails again the failure keeps the new error, which is given back. It refuses with care.NotFound what did not fail, and with
// care.Conflict what was redriven already.
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

// redrive is one call of Redrive: id is the failure's, handling says that the handler was called and has not succeeded.
type redrive struct {
	follower string
	position int64
	handler  Handler

	id             int64
	before         reached
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
		return care.Errorf(care.Conflict, "the failure of follower %s at position %d was redriven already", r.follower, r.position)
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
	p, err := alone(ctx, r.handler, tx, events[0], r.before)
	if err != nil {
		return err
	}
	r.handling = false
	if p.Events == 0 {
		r.before = reached{r.position, p.Part}
		return nil
	}
	r.done = true
	return q.FailureRedriven(ctx, row.ID)
}
