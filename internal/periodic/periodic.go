// Package periodic holds the River jobs that call the domain by the clock, one file a subject. River's leader inserts
// each once per interval, however many instances there are.
package periodic

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"carewire/internal/clinic/directory"
	"carewire/internal/notify"
	"carewire/internal/postgres"
)

// queue keeps these jobs from waiting behind messages.
const queue = "periodic"

// once returns the options of every job here: it is not repeated when it fails, as the next comes anyway, and not queued
// while one of its kind waits or runs, so that a slow one does not pile up. One that a killed process left running is
// followed by the next after River's rescue (RescueStuckJobsAfter).
func once() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, Queue: queue, UniqueOpts: river.UniqueOpts{ByState: notify.UnfinishedStates}}
}

const sessionInterval = 10 * time.Minute

// Add gives the River client's configuration this package's jobs and their queue.
func Add(cfg *river.Config, dir *directory.Service) {
	river.AddWorker(cfg.Workers, &sessionWorker{directory: dir})
	cfg.Queues[queue] = river.QueueConfig{MaxWorkers: 1, FetchPollInterval: time.Second}
	cfg.PeriodicJobs = append(cfg.PeriodicJobs, river.NewPeriodicJob(
		river.PeriodicInterval(sessionInterval),
		func() (river.JobArgs, *river.InsertOpts) { return SessionArgs{}, nil },
		&river.PeriodicJobOpts{ID: SessionArgs{}.Kind(), RunOnStart: true},
	))
}

// SessionArgs are the arguments of the job that deletes sessions, tickets, keys, codes and invitations' tokens that have expired.
type SessionArgs struct{}

// Kind names the job in River's tables.
func (SessionArgs) Kind() string { return "session_sweep" }

// InsertOpts does not repeat a failed sweep: the next comes anyway.
func (SessionArgs) InsertOpts() river.InsertOpts {
	return once()
}

type sessionWorker struct {
	river.WorkerDefaults[SessionArgs]
	directory *directory.Service
}

// Work sweeps once.
func (w *sessionWorker) Work(ctx context.Context, _ *river.Job[SessionArgs]) error {
	if _, err := w.directory.Sweep(ctx); err != nil {
		return fmt.Errorf("sweep: %s", postgres.SafeError(err))
	}
	return nil
}
