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

// ErrBusy says that another instance is at work: what this one came for may be done already, or soon.
var ErrBusy = errors.New("another instance is at work")

const (
	defaultBatch = 2000
	defaultPoll  = 250 * time.Millisecond
	// aheadRetry is the pause after partitions could not be made ahead: there is still room.
	aheadRetry = time.Minute
)

// SequencerConfig says what a Sequencer works on.
type SequencerConfig struct {
	// Pool is of the worker role.
	Pool *pgxpool.Pool
	// Wake are the channels that tell of new rows: the process's own Bell and its Listener's.
	Wake   []<-chan struct{}
	Logger *slog.Logger
	// Batch is how many rows one transaction moves at most; 0 means 2,000.
	Batch int
	// Poll is how long to wait for a wake before looking by itself; 0 means 250 ms.
	Poll time.Duration
	// Tracer shows each sampled event's way to its position; nil means nobody looks.
	Tracer *tracing.Tracer
}

// Sequencer moves committed events from the outbox to their positions in the ledger, and does nothing else.
type Sequencer struct {
	pool   *pgxpool.Pool
	wake   []<-chan struct{}
	logger *slog.Logger
	batch  int
	poll   time.Duration
	tracer *tracing.Tracer

	// size is the batch in use: smaller than batch for a while after a row was refused, or a move took too long or too much.
	size int
	// head is the last position this sequencer knows of; more partitions are needed once it comes near to enough.
	head, enough int64
	aheadAfter   time.Time

	moved, duplicates, rejected, position atomic.Int64
}

// SequencerStats are counted since the Sequencer was made.
type SequencerStats struct {
	// Moved are the events this sequencer gave a position, Duplicates the rows it dropped because their event had one.
	Moved, Duplicates int64
	// Rejected are the rows it put into outbox_rejected. More than none needs an operator.
	Rejected int64
	// Position is the last one it gave.
	Position int64
}

// NewSequencer makes a sequencer. Run it, or Step it.
func NewSequencer(cfg SequencerConfig) *Sequencer {
	batch := cmp.Or(cfg.Batch, defaultBatch)
	return &Sequencer{
		pool: cfg.Pool, wake: cfg.Wake, logger: cfg.Logger, batch: batch, size: batch, poll: cmp.Or(cfg.Poll, defaultPoll),
		tracer: cfg.Tracer,
	}
}

// Stats may be called from any goroutine.
func (s *Sequencer) Stats() SequencerStats {
	return SequencerStats{
		Moved: s.moved.Load(), Duplicates: s.duplicates.Load(), Rejected: s.rejected.Load(), Position: s.position.Load(),
	}
}

// Run moves batch after batch until the outbox is empty, then waits for a wake, until ctx ends; it then returns nil.
func (s *Sequencer) Run(ctx context.Context) error {
	wake, stop := merge(ctx, s.wake)
	defer stop()
	retry := backoff{least: 10 * time.Millisecond, most: 5 * time.Second}
	// The holder of the lock may have looked just before the commit we were woken for: look again soon.
	busy := backoff{least: 2 * time.Millisecond, most: 20 * time.Millisecond}
	for ctx.Err() == nil {
		moved, err := s.Step(ctx)
		if !errors.Is(err, ErrBusy) {
			busy.reset()
		}
		switch {
		case errors.Is(err, ErrBusy):
			pause(ctx, busy.delay(), nil)
		case err == nil && moved > 0:
			retry.reset()
		case err == nil:
			retry.reset()
			pause(ctx, s.poll, wake)
		case ctx.Err() == nil:
			s.complain(ctx, err)
			pause(ctx, retry.delay(), nil)
		}
	}
	return nil
}

func (s *Sequencer) complain(ctx context.Context, err error) {
	level := slog.LevelError
	if postgres.Transient(err) {
		level = slog.LevelWarn
	}
	s.logger.Log(ctx, level, "events wait in the outbox: the move fails and is tried again", "error", postgres.SafeError(err))
}

// Step moves the next batch and tells how many rows left the outbox: 0 when it is empty. It makes partitions, and gets
// rows that the ledger refuses out of the way. ErrBusy says that another sequencer is moving; any other error is to be
// retried.
func (s *Sequencer) Step(ctx context.Context) (moved int, err error) {
	if err := s.makeRoom(ctx, false); err != nil {
		return 0, err
	}
	for {
		moved, err := s.attempt(ctx)
		switch {
		case err == nil:
			s.size = min(2*s.size, s.batch)
			return moved, nil
		case noPartition(err):
			if err := s.makeRoom(ctx, true); err != nil {
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

// attempt moves one batch of the size in use. A lone row that is refused is rejected.
func (s *Sequencer) attempt(ctx context.Context) (int, error) {
	if s.size == 1 {
		return s.moveOrReject(ctx)
	}
	began := time.Now()
	var m db.LedgerMoveRow
	err := s.locked(ctx, func(q *db.Queries, _ pgx.Tx) error {
		var err error
		m, err = move(ctx, q, db.LedgerMoveParams{BatchSize: int32(s.size)})
		return err
	})
	if err != nil {
		return 0, err
	}
	s.note(m)
	s.trace(ctx, began, m)
	return int(m.Taken), nil
}

// moveOrReject moves the oldest row, or else puts it into outbox_rejected, and raises the alarm.
func (s *Sequencer) moveOrReject(ctx context.Context) (taken int, err error) {
	began := time.Now()
	var m db.LedgerMoveRow
	var refused error
	var id int64
	var row db.OutboxRejectRow
	err = s.locked(ctx, func(q *db.Queries, tx pgx.Tx) error {
		var err error
		if id, err = q.OutboxFirst(ctx); err != nil {
			return err
		}
		// The id pins the row: one with a lower id may be committed at any moment.
		refused = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
			m, err = move(ctx, db.New(savepoint), db.LedgerMoveParams{FirstID: id, BatchSize: 1})
			return err
		})
		if refused == nil || !rowsFault(refused) {
			return refused
		}
		row, err = q.OutboxReject(ctx, db.OutboxRejectParams{ID: id, Error: postgres.SafeError(refused)})
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, nil
	case err != nil:
		return 0, err
	case refused == nil:
		s.note(m)
		s.trace(ctx, began, m)
		return 1, nil
	}
	s.rejected.Add(1)
	s.alert(ctx, id, row, refused)
	return 1, nil
}

func (s *Sequencer) alert(ctx context.Context, id int64, row db.OutboxRejectRow, refused error) {
	s.logger.ErrorContext(ctx, "the ledger refuses an outbox row; it is in outbox_rejected",
		"outbox_id", id, "event_id", row.EventID, "type", row.Type, "error", postgres.SafeError(refused))
}

// locked runs fn in a transaction that holds the sequencer's lock, or gives ErrBusy.
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
	if m.Stamped > 0 {
		if err := q.LedgerRing(ctx, m.LastPosition); err != nil {
			return m, fmt.Errorf("tell of new events: %w", err)
		}
	}
	return m, nil
}

// note takes account of a batch that committed.
func (s *Sequencer) note(m db.LedgerMoveRow) {
	s.moved.Add(m.Stamped)
	s.duplicates.Add(m.Taken - m.Stamped)
	if m.Stamped > 0 {
		s.head = m.LastPosition
		s.position.Store(m.LastPosition)
	}
}

// merge gives one channel that is ready after any of the others was. stop waits for the goroutines that see to it.
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
