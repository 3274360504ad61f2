package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

const (
	defaultFollowerBatch = 500
	defaultFollowerPoll  = time.Second
	// StallAfter is how long a follower may not advance, although there is something to do, before it is Stalled.
	StallAfter = time.Minute
)

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
	// Batch is how many events one transaction handles at most; 0 means 500. It is fewer for a while after a transaction took
	// too long or too much.
	Batch int
	// Poll is how long to wait for a wake before looking by itself; 0 means 1 s.
	Poll time.Duration
	// StartAt is asked once in the life of the database; nil means FromBeginning.
	StartAt Start
	// StallAfter is for tests; 0 means the constant.
	StallAfter time.Duration
}

// Follower reads the ledger in order and hands each event to its handler, durably: its place is a row in the database
// and advances in the transaction of the handler's work.
type Follower struct {
	cfg    FollowerConfig
	logger *slog.Logger

	ensured   bool    // The row in followers is there.
	warnedFor int64   // The position whose unknown type was already told of.
	size      int     // The batch in use: smaller than the configured one for a while after it was too much.
	before    reached // How much of the next event is done.

	looked                    atomic.Bool
	handled, failed, position atomic.Int64
	// obstacle is why the last step did not advance although there was something to do, nil when it did; working is since
	// when the handler is at work, in Unix nanoseconds, 0 when it is not.
	obstacle atomic.Pointer[string]
	working  atomic.Int64
}

// FollowerStats are counted since the Follower was made.
type FollowerStats struct {
	// CaughtUp says that the ledger was read at least once, by this instance or another of the name, also when the next event
	// is held.
	CaughtUp bool
	// Handled are the events this instance handled, Failed those it recorded in follower_failures and passed over.
	Handled, Failed int64
	// Position is the last one this instance handled.
	Position int64
}

// NewFollower makes a follower. Run it, or Step it.
func NewFollower(cfg FollowerConfig) *Follower {
	cfg.Batch = cmp.Or(cfg.Batch, defaultFollowerBatch)
	cfg.Poll = cmp.Or(cfg.Poll, defaultFollowerPoll)
	cfg.StallAfter = cmp.Or(cfg.StallAfter, StallAfter)
	if cfg.StartAt == nil {
		cfg.StartAt = FromBeginning
	}
	return &Follower{cfg: cfg, logger: cfg.Logger.With("follower", cfg.Name), size: cfg.Batch}
}

// Stats may be called from any goroutine.
func (f *Follower) Stats() FollowerStats {
	return FollowerStats{CaughtUp: f.looked.Load(), Handled: f.handled.Load(), Failed: f.failed.Load(), Position: f.position.Load()}
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
	f.logger.Log(ctx, level, "a batch of events is not handled yet and is tried again",
		"after_position", f.position.Load(), "next_batch", f.size, "error", postgres.SafeError(err))
}

// Step handles the next batch and returns how many events it passed: 0 when there are none, or when the next one is of a
// type that this binary does not know and a newer one must handle. An event that a PartialHandler does in several
// transactions is done when it returns. ErrBusy says that another instance is at work, a HoleError that positions are
// missing from the ledger; any other error is to be retried.
func (f *Follower) Step(ctx context.Context) (n int, err error) {
	if err = f.ensure(ctx); err == nil {
		n, err = f.next(ctx)
	}
	_, held := errors.AsType[*BlockedError](err)
	if held || err == nil || errors.Is(err, ErrBusy) {
		f.looked.Store(true)
	}
	switch {
	case held || n > 0:
		f.obstacle.Store(nil)
	case err != nil && !errors.Is(err, ErrBusy) && ctx.Err() == nil:
		f.obstacle.Store(new(postgres.SafeError(err)))
	}
	return n, err
}

// next handles as much of the next batch as can be: all of it together, else each event alone, and in both only what comes
// before an event that is held. An event that is done in parts is done to its end.
func (f *Follower) next(ctx context.Context) (int, error) {
	_, partial := f.cfg.Handler.(PartialHandler)
	each, end := false, int64(math.MaxInt64)
	var held *BlockedError
	for {
		a, err := f.attempt(ctx, each, end)
		h, isHeld := errors.AsType[*BlockedError](err)
		switch {
		case isHeld && h.Position < end:
			held, end = h, h.Position
		case err == nil && a.passed == 0 && a.part:
		case err == nil && a.passed == 0 && held != nil:
			return 0, held
		case err == nil:
			f.grow(a)
			return a.passed, nil
		case postgres.Exhausted(err):
			f.size = max(1, cmp.Or(a.tried, f.size)/2)
			return 0, err
		case postgres.Transient(err) || each || a.tried == 0:
			return 0, err
		case partial && a.tried > 1:
			f.size = a.tried / 2
		default:
			each = true
		}
	}
}

// grow sets the size of the next batch after one that committed: twice as much as went, until it is the configured one.
func (f *Follower) grow(a attempted) {
	if a.passed < a.tried {
		f.size = a.passed // A PartialHandler could do no more at once.
	}
	f.size = min(max(1, 2*f.size), f.cfg.Batch)
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

// attempted is what came of one transaction: of so many events that were given to the handler so many are passed, and part
// of the one after them may be done.
type attempted struct {
	tried, passed int
	part          bool
}

// attempt takes the row, reads, handles what comes before the position end, and advances, in one transaction. What cannot be
// read is passed over.
func (f *Follower) attempt(ctx context.Context, each bool, end int64) (a attempted, err error) {
	var batch []event.Event
	var done result
	err = postgres.InTx(ctx, f.cfg.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		position, err := q.FollowerTake(ctx, f.cfg.Name)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrBusy
		}
		if err != nil {
			return fmt.Errorf("take the follower's row: %w", err)
		}
		var handle handleFunc
		if batch, handle, err = f.read(ctx, tx, position, each, end); err != nil || len(batch) == 0 {
			return err
		}
		a.tried = len(batch)
		f.working.Store(time.Now().UnixNano())
		done, err = handle(ctx, tx, batch)
		f.working.Store(0)
		if err != nil {
			return err
		}
		if done.passed > 0 {
			position = batch[done.passed-1].Position
		}
		if err := q.FollowerAdvance(ctx, db.FollowerAdvanceParams{Name: f.cfg.Name, Position: position}); err != nil {
			return fmt.Errorf("advance the follower: %w", err)
		}
		return nil
	})
	if err != nil || len(batch) == 0 {
		return a, err
	}
	a.passed, a.part = done.passed, done.part > 0
	f.note(ctx, batch, done)
	return a, nil
}

// read gives the next events that are handled together, and how: those before the position end that can be read and whose
// types are known, or else those that cannot be read.
func (f *Follower) read(ctx context.Context, tx pgx.Tx, position int64, each bool, end int64) ([]event.Event, handleFunc, error) {
	events, err := Read(ctx, tx, position, int32(f.size))
	if err != nil {
		return nil, nil, err
	}
	if err := contiguous(ctx, tx, position, events); err != nil {
		return nil, nil, err
	}
	if len(events) == 0 {
		f.obstacle.Store(nil)
		return nil, nil, nil
	}
	if events[0].Unreadable != "" {
		return before(events, func(e *event.Event) bool { return e.Unreadable == "" }), f.setAside, nil
	}
	batch := f.understood(ctx, before(events, func(e *event.Event) bool { return e.Unreadable != "" }))
	batch = before(batch, func(e *event.Event) bool { return e.Position >= end })
	if each {
		return batch, f.handleEach, nil
	}
	return batch, f.handleBatch, nil
}

// before cuts the events before the first that is such.
func before(events []event.Event, such func(e *event.Event) bool) []event.Event {
	for i := range events {
		if such(&events[i]) {
			return events[:i]
		}
	}
	return events
}

// understood cuts the events before the first whose type this binary does not know: that one is for a newer binary, which
// gets the follower's row as soon as this transaction ends.
func (f *Follower) understood(ctx context.Context, events []event.Event) []event.Event {
	known := before(events, func(e *event.Event) bool {
		_, ok := event.Lookup(e.Type)
		return !ok
	})
	if len(known) == len(events) {
		return events
	}
	e := &events[len(known)]
	if e.Position != f.warnedFor {
		f.warnedFor = e.Position
		f.logger.WarnContext(ctx, "this binary does not know an event's type and leaves it to a newer one",
			"position", e.Position, "event_id", e.ID, "type", e.Type)
	}
	if len(known) == 0 {
		f.obstacle.Store(new(fmt.Sprintf("the event at position %d is of a type that this binary does not know", e.Position)))
	}
	return known
}

// note takes account of a batch that committed, and raises the alarm for what was passed over.
func (f *Follower) note(ctx context.Context, batch []event.Event, done result) {
	f.before = reached{}
	if done.part > 0 {
		f.before = reached{batch[done.passed].Position, done.part}
	}
	f.handled.Add(int64(done.passed - len(done.failures)))
	f.failed.Add(int64(len(done.failures)))
	if done.passed > 0 {
		f.position.Store(batch[done.passed-1].Position)
	}
	for _, failed := range done.failures {
		logger := f.logger
		if p, ok := errors.AsType[*panicError](failed.err); ok {
			logger = logger.With("stack", p.stack)
		}
		logger.ErrorContext(ctx, "an event cannot be handled and is passed over; it is in follower_failures",
			"position", failed.event.Position, "event_id", failed.event.ID, "type", failed.event.Type, "error", postgres.SafeError(failed.err))
	}
}
