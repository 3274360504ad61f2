package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

const (
	// defaultBatch bounds the rows of one transaction, and thus its duration and what a failure
	// repeats.
	defaultBatch = 500
	// maxSleep is the longest time between two looks at the due times, in case a wake was lost.
	maxSleep = 30 * time.Second
	// gather is how long the loop waits after a wake before it looks: under load, one look serves many
	// batches of the ledger.
	gather = 200 * time.Millisecond
	// retryDelay is how long a row that cannot be handled is postponed.
	retryDelay = 5 * time.Minute
	// firstRetry and lastRetry are the waits after an error that is not a row's, such as a lost
	// connection.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// Source has rows with a due time.
type Source interface {
	// Name identifies the source in logs and metrics.
	Name() string
	// Next returns the time until the first row is due, which is negative if it is overdue; false if
	// no row waits.
	Next(ctx context.Context, q db.DBTX) (time.Duration, bool, error)
	// Work handles at most limit due rows that no other transaction has locked, the longest due first,
	// and returns how many.
	Work(ctx context.Context, tx pgx.Tx, limit int) (int, error)
	// Postpone delays the row that has been due longest, and that no other transaction has locked.
	Postpone(ctx context.Context, tx pgx.Tx, by time.Duration) error
}

// Config configures a Scheduler.
type Config struct {
	// Pool runs as the worker role.
	Pool *pgxpool.Pool
	// Sources are served in this order.
	Sources []Source
	// Wake signals that something may have been planned; see ledger.Listener.Ledger.
	Wake <-chan struct{}
	// Committed is called after due rows were handled, so that their events need not wait for a poll.
	// May be nil.
	Committed func()
	// Batch is the maximum number of rows of one transaction; 0 means 500.
	Batch  int
	Logger *slog.Logger
}

// Scheduler serves the sources. Any number of instances may run.
type Scheduler struct {
	cfg   Config
	stats []sourceStats
}

type sourceStats struct {
	handled, postponed, panics atomic.Int64
	// overdue is for how long the first row has been due, in nanoseconds.
	overdue atomic.Int64
}

// Stats is the state of a source on this instance.
type Stats struct {
	Source string
	// Handled and Postponed count rows since the start, and Panics the panics of the source.
	Handled, Postponed, Panics int64
	// Overdue is for how long the first row has been due at the last look; 0 if none is.
	Overdue time.Duration
}

// New returns a Scheduler.
func New(cfg Config) *Scheduler {
	cfg.Batch = cmp.Or(cfg.Batch, defaultBatch)
	if cfg.Committed == nil {
		cfg.Committed = func() {}
	}
	s := &Scheduler{cfg: cfg, stats: make([]sourceStats, len(cfg.Sources))}
	s.cfg.Sources = make([]Source, len(cfg.Sources))
	for i, source := range cfg.Sources {
		s.cfg.Sources[i] = guarded{source, cfg.Logger, &s.stats[i]}
	}
	return s
}

// Stats returns the state of each source.
func (s *Scheduler) Stats() []Stats {
	all := make([]Stats, len(s.cfg.Sources))
	for i, source := range s.cfg.Sources {
		st := &s.stats[i]
		all[i] = Stats{Source: source.Name(), Handled: st.handled.Load(), Postponed: st.postponed.Load(), Panics: st.panics.Load(), Overdue: time.Duration(st.overdue.Load())}
	}
	return all
}

// Run serves the sources until ctx ends, and then returns nil.
func (s *Scheduler) Run(ctx context.Context) error {
	retry := firstRetry
	for ctx.Err() == nil {
		sleep, err := s.pass(ctx)
		if err == nil {
			retry = firstRetry
		} else if ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "the scheduler will try again", "error", postgres.SafeError(err))
			sleep, retry = retry, min(2*retry, lastRetry)
		}
		s.wait(ctx, sleep, err == nil)
	}
	return nil
}

// wait returns after the time, or earlier if the loop is woken.
func (s *Scheduler) wait(ctx context.Context, sleep time.Duration, wakeable bool) {
	timer := time.NewTimer(sleep)
	defer timer.Stop()
	wake := s.cfg.Wake
	if !wakeable {
		wake = nil
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
		timer.Reset(min(gather, sleep))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
}

// pass handles what is due, and returns the time until something is due next.
func (s *Scheduler) pass(ctx context.Context) (time.Duration, error) {
	sleep := maxSleep
	for i := range s.cfg.Sources {
		for {
			next, err := s.serve(ctx, i)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", s.cfg.Sources[i].Name(), err)
			}
			if next > 0 {
				sleep = min(sleep, next)
				break
			}
		}
	}
	return sleep, nil
}

// serve handles one batch of a source and returns the time until its next row is due; 0 if more may
// be due now.
func (s *Scheduler) serve(ctx context.Context, i int) (next time.Duration, err error) {
	source, stats := s.cfg.Sources[i], &s.stats[i]
	wait, waits, err := source.Next(ctx, s.cfg.Pool)
	if err != nil {
		return 0, postgres.Translate(err)
	}
	if !waits {
		stats.overdue.Store(0)
		return maxSleep, nil
	}
	stats.overdue.Store(int64(max(0, -wait)))
	if wait > 0 {
		return max(wait, time.Millisecond), nil
	}
	handled, err := s.work(ctx, i, s.cfg.Batch)
	if err != nil {
		return 0, err
	}
	if handled == 0 {
		// Another instance has locked what is due.
		return gather, nil
	}
	return 0, nil
}

// work handles a batch of at most limit rows, and less if a row fails.
func (s *Scheduler) work(ctx context.Context, i, limit int) (handled int, err error) {
	source, stats := s.cfg.Sources[i], &s.stats[i]
	err = postgres.InTx(ctx, s.cfg.Pool, func(tx pgx.Tx) (err error) {
		handled, err = source.Work(ctx, tx, limit)
		return err
	})
	switch {
	case err == nil:
		if handled > 0 {
			stats.handled.Add(int64(handled))
			s.cfg.Committed()
		}
		return handled, nil
	case ctx.Err() != nil || postgres.Transient(err):
		return 0, err
	case limit > 1:
		return s.work(ctx, i, limit/2)
	}
	s.cfg.Logger.ErrorContext(ctx, "a due row cannot be handled; it is postponed", "source", source.Name(), "delay", retryDelay.String(), "error", postgres.SafeError(err))
	stats.postponed.Add(1)
	err = postgres.InTx(ctx, s.cfg.Pool, func(tx pgx.Tx) error { return source.Postpone(ctx, tx, retryDelay) })
	if err != nil {
		return 0, err
	}
	return 1, nil
}
