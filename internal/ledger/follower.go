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
	// defaultFollowerBatch bounds the work of one transaction, and thus what a failure repeats.
	defaultFollowerBatch = 500
	// defaultFollowerPoll bounds the delay after a lost wake.
	defaultFollowerPoll = time.Second
	// StallAfter is how long a follower with events to handle may not advance before it is
	// Stalled.
	StallAfter = time.Minute
)

// Start returns the position after which a follower begins that is new to the database.
type Start func(ctx context.Context, tx pgx.Tx) (int64, error)

// FromBeginning makes a new follower handle the whole ledger. It is the default.
func FromBeginning(context.Context, pgx.Tx) (int64, error) { return 0, nil }

// FromHead makes a new follower handle only events that come after it was added.
func FromHead(ctx context.Context, tx pgx.Tx) (int64, error) {
	head, err := Head(ctx, tx)
	return head.Position, err
}

// FollowerConfig configures a Follower.
type FollowerConfig struct {
	// Name is the follower's row in the table followers. All instances with the same name share
	// the work.
	Name string
	// Pool runs as the worker role.
	Pool    *pgxpool.Pool
	Handler Handler
	// Wake signals new events; see Listener.Ledger.
	Wake   <-chan struct{}
	Logger *slog.Logger
	// Batch is the maximum number of events per transaction; 0 means 500. It is reduced for a
	// while after a transaction took too long or too many resources.
	Batch int
	// Poll is how long to wait for a wake before reading anyway; 0 means 1 s.
	Poll time.Duration
	// StartAt is called once in the life of the database; nil means FromBeginning.
	StartAt Start
	// StallAfter is for tests; 0 means the constant.
	StallAfter time.Duration
}

// Follower reads the ledger in order and passes each event to its handler, durably: its position is
// a row in the database that advances in the transaction of the handler's work.
type Follower struct {
	cfg    FollowerConfig
	logger *slog.Logger

	ensured   bool     // The row in followers exists.
	warnedFor int64    // The position of the last unknown type that was logged.
	size      int      // The current batch size: less than the configured one for a while after a batch was too large.
	at        int64    // The position of the row when this instance last had it.
	before    partDone // How much of the next event is done.
	more      bool     // The ledger may have more events than the last batch.

	caughtUp                  atomic.Bool
	handled, failed, position atomic.Int64
	// obstacle is why the last step did not advance although there was work; nil if it advanced.
	// working is when the handler began its current work, in Unix nanoseconds; 0 if it is not
	// working.
	obstacle atomic.Pointer[string]
	working  atomic.Int64
}

// FollowerStats counts since the Follower was created.
type FollowerStats struct {
	// CaughtUp reports that this instance or another of the same name has read the ledger at least
	// once, even if the next event is blocked.
	CaughtUp bool
	// Handled is the number of events that this instance handled, Failed the number that it
	// recorded in follower_failures and skipped.
	Handled, Failed int64
	// Position is the last position that this instance handled.
	Position int64
}

// NewFollower returns a follower. Call either Run or Step. It panics if cfg is invalid.
func NewFollower(cfg FollowerConfig) *Follower {
	mustBeValid(cfg.Validate())
	cfg.Batch = cmp.Or(cfg.Batch, defaultFollowerBatch)
	cfg.Poll = cmp.Or(cfg.Poll, defaultFollowerPoll)
	cfg.StallAfter = cmp.Or(cfg.StallAfter, StallAfter)
	if cfg.StartAt == nil {
		cfg.StartAt = FromBeginning
	}
	return &Follower{cfg: cfg, logger: cfg.Logger.With("follower", cfg.Name), size: cfg.Batch}
}

// Stats returns the counts. It may be called from any goroutine.
func (f *Follower) Stats() FollowerStats {
	return FollowerStats{CaughtUp: f.caughtUp.Load(), Handled: f.handled.Load(), Failed: f.failed.Load(), Position: f.position.Load()}
}

// Run handles batch after batch until one has the last events, then waits for a wake: later events
// send one. It returns nil when ctx ends.
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
			// The busy instance may have read just before the commit that sent the wake.
			wait(ctx, busy.delay(), nil)
		case err == nil:
			retry.reset()
			if n == 0 || !f.more {
				wait(ctx, f.cfg.Poll, f.cfg.Wake)
			}
		case ctx.Err() == nil:
			f.logRetry(ctx, err)
			wait(ctx, retry.delay(), nil)
		}
	}
	return nil
}

func (f *Follower) logRetry(ctx context.Context, err error) {
	level := slog.LevelError
	if postgres.Transient(err) {
		level = slog.LevelWarn
	}
	f.logger.Log(ctx, level, "cannot handle a batch of events; retrying",
		"after_position", f.position.Load(), "next_batch", f.size, "error", postgres.SafeError(err))
}

// Step handles the next batch and returns the number of events that are done. It returns 0 if there
// are none, or if the next one has a type that only a newer binary knows. Step returns only after
// an event that a PartialHandler handles in several transactions is done. ErrBusy means that
// another instance is working, a HoleError that positions are missing from the ledger; any other
// error is retryable.
func (f *Follower) Step(ctx context.Context) (n int, err error) {
	if err = f.ensureRow(ctx); err == nil {
		n, err = f.next(ctx)
	}
	_, blocked := errors.AsType[*BlockedError](err)
	if blocked || err == nil || errors.Is(err, ErrBusy) {
		f.caughtUp.Store(true)
	}
	switch {
	case blocked || n > 0:
		f.obstacle.Store(nil)
	case err != nil && !errors.Is(err, ErrBusy) && ctx.Err() == nil:
		f.obstacle.Store(new(postgres.SafeError(err)))
	}
	return n, err
}

// next handles as much of the next batch as possible: all of it together, otherwise each event
// alone, and in both cases only the events before a blocked one. It finishes an event that is
// handled in parts.
func (f *Follower) next(ctx context.Context) (int, error) {
	_, partial := f.cfg.Handler.(PartialHandler)
	each, end := false, int64(math.MaxInt64)
	var blocked *BlockedError
	for {
		a, err := f.attempt(ctx, each, end)
		b, isBlocked := errors.AsType[*BlockedError](err)
		switch {
		case isBlocked && b.Position < end:
			blocked, end = b, b.Position
		case err == nil && a.done == 0 && a.part:
		case err == nil && a.done == 0 && blocked != nil:
			return 0, blocked
		case err == nil:
			f.grow(a)
			return a.done, nil
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

// grow sets the size of the next batch after a commit: twice the size that worked, up to the
// configured one.
func (f *Follower) grow(a attemptResult) {
	if a.done < a.tried {
		f.size = a.done // A PartialHandler could do no more at once.
	}
	f.size = min(max(1, 2*f.size), f.cfg.Batch)
}

// ensureRow creates the follower's row, the first time.
func (f *Follower) ensureRow(ctx context.Context) error {
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
		return fmt.Errorf("create the follower's row: %w", err)
	}
	f.ensured = true
	return nil
}

// attemptResult is the result of one transaction: of tried events that the handler got, done are
// done, and part of the next one may be done.
type attemptResult struct {
	tried, done int
	part        bool
}

// attempt takes the row, reads, handles the events before the position end, and advances, in one
// transaction. It skips events that cannot be read.
func (f *Follower) attempt(ctx context.Context, each bool, end int64) (a attemptResult, err error) {
	var position int64
	var events, batch []event.Event
	var done result
	first := &pgx.Batch{}
	first.Queue(db.FollowerTake, f.cfg.Name).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&position)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return ErrBusy
		case err != nil:
			return fmt.Errorf("take the follower's row: %w", err)
		}
		return nil
	})
	// Unless another instance has advanced the follower, its next events come with the row.
	first.Queue(db.EventList, f.at+1, f.size).Query(func(rows pgx.Rows) (err error) {
		events, err = scan(rows)
		return err
	})
	err = postgres.InTxAfter(ctx, f.cfg.Pool, first, func(tx pgx.Tx) error {
		if position != f.at {
			if events, err = Read(ctx, tx, position, int32(f.size)); err != nil {
				return err
			}
		}
		var handle handleFunc
		if batch, handle, err = f.choose(ctx, tx, position, events, each, end); err != nil || len(batch) == 0 {
			return err
		}
		a.tried = len(batch)
		f.working.Store(time.Now().UnixNano())
		done, err = handle(ctx, tx, batch)
		f.working.Store(0)
		if err != nil {
			return err
		}
		f.more = f.more || done.events < len(batch)
		if done.events > 0 {
			position = batch[done.events-1].Position
		}
		if err := db.New(tx).FollowerAdvance(ctx, db.FollowerAdvanceParams{Name: f.cfg.Name, Position: position}); err != nil {
			return fmt.Errorf("advance the follower: %w", err)
		}
		return nil
	})
	if err != nil {
		return a, err
	}
	f.at = position
	if len(batch) == 0 {
		return a, nil
	}
	a.done, a.part = done.events, done.part > 0
	f.recordStats(ctx, batch, done)
	return a, nil
}

// choose returns those of the events after the position to handle together, and the function for
// them: readable events of known types before the position end, or else unreadable ones.
func (f *Follower) choose(ctx context.Context, tx pgx.Tx, position int64, events []event.Event, each bool, end int64) ([]event.Event, handleFunc, error) {
	if err := contiguous(ctx, tx, position, events); err != nil {
		return nil, nil, err
	}
	if len(events) == 0 {
		f.obstacle.Store(nil)
		return nil, nil, nil
	}
	f.more = true
	if events[0].Unreadable != "" {
		return before(events, func(e *event.Event) bool { return e.Unreadable == "" }), f.skipUnreadable, nil
	}
	batch := f.known(ctx, before(events, func(e *event.Event) bool { return e.Unreadable != "" }))
	batch = before(batch, func(e *event.Event) bool { return e.Position >= end })
	f.more = len(batch) < len(events) || len(events) == f.size
	if each {
		return batch, f.handleEach, nil
	}
	return batch, f.handleBatch, nil
}

// before returns the events before the first one that matches.
func before(events []event.Event, match func(e *event.Event) bool) []event.Event {
	for i := range events {
		if match(&events[i]) {
			return events[:i]
		}
	}
	return events
}

// known returns the events before the first one with a type that this binary does not know. That
// event is for a newer binary, which gets the follower's row when this transaction ends.
func (f *Follower) known(ctx context.Context, events []event.Event) []event.Event {
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
		f.logger.WarnContext(ctx, "unknown event type; waiting for a newer binary",
			"position", e.Position, "event_id", e.ID, "type", e.Type)
	}
	if len(known) == 0 {
		f.obstacle.Store(new(fmt.Sprintf("the event at position %d has a type that this binary does not know", e.Position)))
	}
	return known
}

// recordStats counts a batch that committed, and logs the skipped events as errors.
func (f *Follower) recordStats(ctx context.Context, batch []event.Event, done result) {
	f.before = partDone{}
	if done.part > 0 {
		f.before = partDone{batch[done.events].Position, done.part}
	}
	f.handled.Add(int64(done.events - len(done.failures)))
	f.failed.Add(int64(len(done.failures)))
	if done.events > 0 {
		f.position.Store(batch[done.events-1].Position)
	}
	for _, failed := range done.failures {
		logger := f.logger
		if p, ok := errors.AsType[*panicError](failed.err); ok {
			logger = logger.With("stack", p.stack)
		}
		logger.ErrorContext(ctx, "cannot handle an event; it is skipped and recorded in follower_failures",
			"position", failed.event.Position, "event_id", failed.event.ID, "type", failed.event.Type, "error", postgres.SafeError(failed.err))
	}
}
