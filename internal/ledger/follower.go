package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

const (
	defaultFollowerBatch = 500
	defaultFollowerPoll  = time.Second
)

// Handler does a follower's work on events that follow each other in the ledger.
type Handler interface {
	// Handle works on the batch in the transaction that also advances the follower: what it writes there happens once
	// for each event, what it does elsewhere may happen again. The events are of types that this binary knows.
	//
	// After an error nothing it wrote stands, and it is called again: with the events before the one that a HeldError
	// names; with the same batch when postgres.Transient(err); else with each of the events alone. An event that fails
	// alone is recorded and passed over.
	Handle(ctx context.Context, tx pgx.Tx, batch []event.Event) error
}

// HeldError is a Handler's answer when one event, and with it all that come after, must wait for something that is not the
// event's fault. What comes before it is handled all the same. It counts as transient.
type HeldError struct {
	// Position is that of the event.
	Position int64
	// Cause says what it waits for.
	Cause *care.Error
}

// Error is the cause's.
func (e *HeldError) Error() string { return e.Cause.Error() }

// Unwrap gives the cause.
func (e *HeldError) Unwrap() error { return e.Cause }

// Start tells a follower that is new to the database after which position it begins.
type Start func(ctx context.Context, tx pgx.Tx) (int64, error)

// FromBeginning lets a new follower handle everything there ever was. It is the default.
func FromBeginning(context.Context, pgx.Tx) (int64, error) { return 0, nil }

// FromHead lets a new follower handle only what comes after it was added.
func FromHead(ctx context.Context, tx pgx.Tx) (int64, error) {
	head, err := Head(ctx, tx)
	return head.Position, err
}

// FollowerConfig says what a Follower reads and who handles it.
type FollowerConfig struct {
	// Name is the follower's row in followers: all instances of one name share the work.
	Name string
	// Pool is of the worker role.
	Pool    *pgxpool.Pool
	Handler Handler
	// Wake tells of new events; from Listener.Ledger.
	Wake   <-chan struct{}
	Logger *slog.Logger
	// Batch is how many events one transaction handles at most; 0 means 500.
	Batch int
	// Poll is how long to wait for a wake before looking by itself; 0 means 1 s.
	Poll time.Duration
	// StartAt is asked once in the life of the database; nil means FromBeginning.
	StartAt Start
}

// Follower reads the ledger in order and hands each event to its handler, durably: its place is a row in the database
// and advances in the transaction of the handler's work.
type Follower struct {
	cfg    FollowerConfig
	logger *slog.Logger

	ensured   bool  // The row in followers is there.
	warnedFor int64 // The position whose unknown type was already told of.

	looked                    atomic.Bool
	handled, failed, position atomic.Int64
}

// FollowerStats are counted since the Follower was made.
type FollowerStats struct {
	// Looked says that the ledger was read at least once, by this instance or another of the name, also when the next event
	// is held.
	Looked bool
	// Handled are the events this instance handled, Failed those it recorded in follower_failures and passed over.
	Handled, Failed int64
	// Position is the last one this instance handled.
	Position int64
}

// NewFollower makes a follower. Run it, or Step it.
func NewFollower(cfg FollowerConfig) *Follower {
	cfg.Batch = cmp.Or(cfg.Batch, defaultFollowerBatch)
	cfg.Poll = cmp.Or(cfg.Poll, defaultFollowerPoll)
	if cfg.StartAt == nil {
		cfg.StartAt = FromBeginning
	}
	return &Follower{cfg: cfg, logger: cfg.Logger.With("follower", cfg.Name)}
}

// Stats may be called from any goroutine.
func (f *Follower) Stats() FollowerStats {
	return FollowerStats{Looked: f.looked.Load(), Handled: f.handled.Load(), Failed: f.failed.Load(), Position: f.position.Load()}
}

// Run handles batch after batch until there are no more, then waits for a wake, until ctx ends; it then returns nil.
func (f *Follower) Run(ctx context.Context) error {
	retry := backoff{least: 20 * time.Millisecond, most: 10 * time.Second}
	busy := backoff{least: 5 * time.Millisecond, most: 250 * time.Millisecond}
	for ctx.Err() == nil {
		n, err := f.Step(ctx)
		if !errors.Is(err, ErrBusy) {
			busy.reset()
		}
		switch {
		case errors.Is(err, ErrBusy):
			// The one at work may have read just before the commit we were woken for.
			pause(ctx, busy.delay(), nil)
		case err == nil && n > 0:
			retry.reset()
		case err == nil:
			retry.reset()
			pause(ctx, f.cfg.Poll, f.cfg.Wake)
		case ctx.Err() == nil:
			f.complain(ctx, err)
			pause(ctx, retry.delay(), nil)
		}
	}
	return nil
}

func (f *Follower) complain(ctx context.Context, err error) {
	level := slog.LevelError
	if postgres.Transient(err) {
		level = slog.LevelWarn
	}
	f.logger.Log(ctx, level, "a batch of events is not handled yet and is tried again", "error", postgres.SafeError(err))
}

// Step handles the next batch and tells how many events it passed: 0 when there are none, or when the next one is of a
// type that this binary does not know and a newer one must handle. ErrBusy says that another instance is at work; any
// other error is to be retried.
func (f *Follower) Step(ctx context.Context) (n int, err error) {
	if err := f.ensure(ctx); err != nil {
		return 0, err
	}
	n, err = f.next(ctx)
	if _, held := errors.AsType[*HeldError](err); held || err == nil || errors.Is(err, ErrBusy) {
		f.looked.Store(true)
	}
	return n, err
}

// next handles as much of the next batch as can be: all of it together, else each event alone, and in both only what comes
// before an event that is held.
func (f *Follower) next(ctx context.Context) (int, error) {
	handle, each, end := f.handleBatch, false, int64(math.MaxInt64)
	var held *HeldError
	for {
		n, err := f.attempt(ctx, handle, end)
		switch h, ok := errors.AsType[*HeldError](err); {
		case ok && h.Position < end:
			held, end = h, h.Position
		case err != nil && !each && !errors.Is(err, ErrBusy) && !postgres.Transient(err):
			handle, each = f.handleEach, true
		case err == nil && n == 0 && held != nil:
			return 0, held
		default:
			return n, err
		}
	}
}

// ensure makes the follower's row, the first time.
func (f *Follower) ensure(ctx context.Context) error {
	if f.ensured {
		return nil
	}
	err := postgres.InTx(ctx, f.cfg.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		_, err := q.FollowerGet(ctx, f.cfg.Name)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		position, err := f.cfg.StartAt(ctx, tx)
		if err != nil {
			return err
		}
		return q.FollowerInsert(ctx, db.FollowerInsertParams{Name: f.cfg.Name, Position: position})
	})
	if err != nil {
		return fmt.Errorf("make the follower's row: %w", err)
	}
	f.ensured = true
	return nil
}

// attempt takes the row, reads, handles what comes before the position end, and advances, in one transaction.
func (f *Follower) attempt(ctx context.Context, handle handleFunc, end int64) (int, error) {
	var batch []event.Event
	var failures []failure
	err := postgres.InTx(ctx, f.cfg.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		position, err := q.FollowerTake(ctx, f.cfg.Name)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrBusy
		}
		if err != nil {
			return fmt.Errorf("take the follower's row: %w", err)
		}
		events, err := Read(ctx, tx, position, int32(f.cfg.Batch))
		if err != nil {
			return err
		}
		batch = f.understood(ctx, events)
		if i := slices.IndexFunc(batch, func(e event.Event) bool { return e.Position >= end }); i >= 0 {
			batch = batch[:i]
		}
		if len(batch) == 0 {
			return nil
		}
		if failures, err = handle(ctx, tx, batch); err != nil {
			return err
		}
		last := batch[len(batch)-1].Position
		if err := q.FollowerAdvance(ctx, db.FollowerAdvanceParams{Name: f.cfg.Name, Position: last}); err != nil {
			return fmt.Errorf("advance the follower: %w", err)
		}
		return nil
	})
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	f.note(ctx, batch, failures)
	return len(batch), nil
}

// understood cuts the events before the first whose type this binary does not know: that one is for a newer binary, which
// gets the follower's row as soon as this transaction ends.
func (f *Follower) understood(ctx context.Context, events []event.Event) []event.Event {
	i := slices.IndexFunc(events, func(e event.Event) bool {
		_, ok := event.Lookup(e.Type)
		return !ok
	})
	if i < 0 {
		return events
	}
	if e := &events[i]; e.Position != f.warnedFor {
		f.warnedFor = e.Position
		f.logger.WarnContext(ctx, "this binary does not know an event's type and leaves it to a newer one",
			"position", e.Position, "event_id", e.ID, "type", e.Type)
	}
	return events[:i]
}

// note takes account of a batch that committed, and raises the alarm for what was passed over.
func (f *Follower) note(ctx context.Context, batch []event.Event, failures []failure) {
	f.handled.Add(int64(len(batch) - len(failures)))
	f.failed.Add(int64(len(failures)))
	f.position.Store(batch[len(batch)-1].Position)
	for _, failed := range failures {
		logger := f.logger
		if p, ok := errors.AsType[*panicError](failed.err); ok {
			logger = logger.With("stack", p.stack)
		}
		logger.ErrorContext(ctx, "an event cannot be handled and is passed over; it is in follower_failures",
			"position", failed.event.Position, "event_id", failed.event.ID, "type", failed.event.Type, "error", postgres.SafeError(failed.err))
	}
}
