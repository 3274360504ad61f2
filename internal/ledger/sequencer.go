package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/tracing"
	"carewire/internal/wake"
)

// ErrBusy means that another instance is working, so that the work may be done already, or soon.
var ErrBusy = errors.New("another instance is at work")

const (
	// defaultBatch bounds the work of one transaction, and thus how long it holds the lock.
	defaultBatch = 2000
	// defaultPoll bounds the delay after a lost wake.
	defaultPoll = 250 * time.Millisecond
	// aheadRetry is the wait after a failure to create partitions ahead: there is still room.
	aheadRetry = time.Minute
)

// SequencerConfig configures a Sequencer.
type SequencerConfig struct {
	// Pool runs as the worker role.
	Pool *pgxpool.Pool
	// Wake are the channels that signal new rows: those of the process's outbox.Waker and its
	// Listener.
	Wake   []<-chan struct{}
	Logger *slog.Logger
	// Batch is the maximum number of rows per transaction; 0 means 2,000.
	Batch int
	// Poll is how long to wait for a wake before reading anyway; 0 means 250 ms.
	Poll time.Duration
	// Tracer shows each sampled event's way to its position; nil disables tracing.
	Tracer *tracing.Tracer
}

// Sequencer moves committed events from the outbox to their positions in the ledger, and does
// nothing else.
type Sequencer struct {
	pool   *pgxpool.Pool
	wake   []<-chan struct{}
	logger *slog.Logger
	batch  int
	poll   time.Duration
	tracer *tracing.Tracer

	// size is the current batch size: less than batch for a while after a row was rejected, or a
	// move took too long or too many resources.
	size int
	// full reports that the last batch was as large as it may be, so that more rows may wait.
	full bool
	// head is the last known position; more partitions are needed when it comes near to
	// partitionedTo.
	head, partitionedTo int64
	nextAhead           time.Time

	moved, duplicates, rejected, position atomic.Int64
}

// SequencerStats counts since the Sequencer was created.
type SequencerStats struct {
	// Moved is the number of events that this sequencer moved, Duplicates the number of rows that
	// it dropped because their event had a position already.
	Moved, Duplicates int64
	// Rejected is the number of rows that it moved to outbox_rejected. An operator must look at
	// them.
	Rejected int64
	// Position is the last position that it assigned.
	Position int64
}

// NewSequencer returns a sequencer. Call either Run or Step. It panics if cfg is invalid.
func NewSequencer(cfg SequencerConfig) *Sequencer {
	mustBeValid(cfg.Validate())
	batch := cmp.Or(cfg.Batch, defaultBatch)
	return &Sequencer{
		pool: cfg.Pool, wake: cfg.Wake, logger: cfg.Logger, batch: batch, size: batch, poll: cmp.Or(cfg.Poll, defaultPoll),
		tracer: cfg.Tracer,
	}
}

// Stats returns the counts. It may be called from any goroutine.
func (s *Sequencer) Stats() SequencerStats {
	return SequencerStats{
		Moved: s.moved.Load(), Duplicates: s.duplicates.Load(), Rejected: s.rejected.Load(), Position: s.position.Load(),
	}
}

// Run moves batch after batch until one is not full, then waits for a wake: rows that commit later
// send one. It returns nil when ctx ends.
func (s *Sequencer) Run(ctx context.Context) error {
	wake, stop := merge(ctx, s.wake)
	defer stop()
	retry := backoff{least: 10 * time.Millisecond, most: 5 * time.Second}
	// The holder of the lock may have read just before the commit that sent the wake: retry soon.
	busy := backoff{least: 2 * time.Millisecond, most: 20 * time.Millisecond}
	for ctx.Err() == nil {
		_, err := s.Step(ctx)
		if !errors.Is(err, ErrBusy) {
			busy.reset()
		}
		switch {
		case errors.Is(err, ErrBusy):
			wait(ctx, busy.delay(), nil)
		case err == nil:
			retry.reset()
			if !s.full {
				wait(ctx, s.poll, wake)
			}
		case ctx.Err() == nil:
			s.logRetry(ctx, err)
			wait(ctx, retry.delay(), nil)
		}
	}
	return nil
}

func (s *Sequencer) logRetry(ctx context.Context, err error) {
	level := slog.LevelError
	if postgres.Transient(err) {
		level = slog.LevelWarn
	}
	s.logger.Log(ctx, level, "cannot move events from the outbox to the ledger; retrying", "error", postgres.SafeError(err))
}

// Step moves the next batch and returns the number of rows that left the outbox: 0 if it is empty.
// It creates partitions, and moves rows that the ledger rejects out of the way. ErrBusy means that
// another sequencer is moving events; any other error is retryable.
func (s *Sequencer) Step(ctx context.Context) (moved int, err error) {
	if err := s.ensurePartitions(ctx, false); err != nil {
		return 0, err
	}
	for {
		moved, err := s.attempt(ctx)
		switch {
		case err == nil:
			s.full = moved == s.size
			s.size = min(2*s.size, s.batch)
			return moved, nil
		case noPartition(err):
			if err := s.ensurePartitions(ctx, true); err != nil {
				return 0, err
			}
		case rowsFault(err) && s.size > 1:
			s.size /= 2
		case postgres.Exhausted(err):
			s.size = max(1, s.size/2)
			return 0, err
		default:
			return 0, err
		}
	}
}

// attempt moves one batch of the current size, in one round trip. It rejects a single row that fails.
func (s *Sequencer) attempt(ctx context.Context) (int, error) {
	if s.size == 1 {
		return s.moveOrReject(ctx)
	}
	began := time.Now()
	var m db.LedgerMoveRow
	var locked bool
	batch := &pgx.Batch{}
	batch.Queue(db.SequencerTryLock).QueryRow(func(row pgx.Row) error { return row.Scan(&locked) })
	batch.Queue(db.LedgerMove, 0, s.size).QueryRow(func(row pgx.Row) error {
		return row.Scan(&m.Taken, &m.Stamped, &m.LastPosition, &m.Notifications)
	})
	if err := postgres.InBatch(ctx, s.pool, batch); err != nil {
		return 0, fmt.Errorf("move the outbox into the ledger: %w", err)
	}
	if !locked {
		return 0, ErrBusy
	}
	s.recordStats(m)
	s.trace(ctx, began, m)
	return int(m.Taken), nil
}

// moveOrReject moves the oldest row, or else puts it into outbox_rejected and logs an error.
func (s *Sequencer) moveOrReject(ctx context.Context) (taken int, err error) {
	began := time.Now()
	var m db.LedgerMoveRow
	var rejection error
	var id int64
	var row db.OutboxRejectRow
	err = s.locked(ctx, func(q *db.Queries, tx pgx.Tx) error {
		var err error
		if id, err = q.OutboxFirst(ctx); err != nil {
			return err
		}
		// The id pins the row: a row with a lower id may commit at any moment.
		rejection = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
			m, err = move(ctx, db.New(savepoint), db.LedgerMoveParams{FirstID: id, BatchSize: 1})
			return err
		})
		if rejection == nil || !rowsFault(rejection) {
			return rejection
		}
		row, err = q.OutboxReject(ctx, db.OutboxRejectParams{ID: id, Error: postgres.SafeError(rejection)})
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, nil
	case err != nil:
		return 0, err
	case rejection == nil:
		s.recordStats(m)
		s.trace(ctx, began, m)
		return 1, nil
	}
	s.rejected.Add(1)
	s.logRejected(ctx, id, row, rejection)
	return 1, nil
}

func (s *Sequencer) logRejected(ctx context.Context, id int64, row db.OutboxRejectRow, rejection error) {
	s.logger.ErrorContext(ctx, "the ledger rejected an outbox row; it is in outbox_rejected",
		"outbox_id", id, "event_id", row.EventID, "type", row.Type, "error", postgres.SafeError(rejection))
}

// locked runs fn in a transaction with the sequencer's lock, or returns ErrBusy.
func (s *Sequencer) locked(ctx context.Context, fn func(q *db.Queries, tx pgx.Tx) error) error {
	return postgres.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		locked, err := q.SequencerTryLock(ctx)
		if err != nil {
			return fmt.Errorf("take the sequencer's lock: %w", err)
		}
		if !locked {
			return ErrBusy
		}
		return fn(q, tx)
	})
}

func move(ctx context.Context, q *db.Queries, p db.LedgerMoveParams) (db.LedgerMoveRow, error) {
	m, err := q.LedgerMove(ctx, p)
	if err != nil {
		return m, fmt.Errorf("move the outbox into the ledger: %w", err)
	}
	return m, nil
}

// recordStats counts a batch that committed.
func (s *Sequencer) recordStats(m db.LedgerMoveRow) {
	s.moved.Add(m.Stamped)
	s.duplicates.Add(m.Taken - m.Stamped)
	if m.Stamped > 0 {
		s.head = m.LastPosition
		s.position.Store(m.LastPosition)
	}
}

// merge returns one channel that is ready after any of the others was. stop waits for its
// goroutines.
func merge(ctx context.Context, channels []<-chan struct{}) (merged <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan struct{}, 1)
	var running sync.WaitGroup
	for _, c := range channels {
		running.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-c:
					wake.Signal(out)
				}
			}
		})
	}
	return out, func() {
		cancel()
		running.Wait()
	}
}
