// Package periodic has the River jobs that call the domain at intervals, one file a subject.
// River's leader inserts each job once per interval, regardless of the number of instances.
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

// queue separates these jobs from messages, so that they do not wait behind them.
const queue = "periodic"

// insertOpts returns the options of every job in this package. A failed job is not retried, because
// the next one follows anyway. A job is not queued while one of its kind waits or runs, so that
// slow jobs do not pile up. If a killed process left a job running, the next one is queued after
// River's rescue (RescueStuckJobsAfter).
func insertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, Queue: queue, UniqueOpts: river.UniqueOpts{ByState: notify.UnfinishedStates}}
}

const (
	sessionInterval = 10 * time.Minute
	// pollInterval is how long a job may wait after River inserted it. It adds little to the shortest
	// interval.
	pollInterval = time.Second
)

// Add adds the queue of this package and the session job to a River client's configuration.
func Add(cfg *river.Config, dir *directory.Service) {
	river.AddWorker(cfg.Workers, &sessionWorker{directory: dir})
	cfg.Queues[queue] = river.QueueConfig{MaxWorkers: 1, FetchPollInterval: pollInterval}
	cfg.PeriodicJobs = append(cfg.PeriodicJobs, river.NewPeriodicJob(
		river.PeriodicInterval(sessionInterval),
		func() (river.JobArgs, *river.InsertOpts) { return SessionArgs{}, nil },
		&river.PeriodicJobOpts{ID: SessionArgs{}.Kind(), RunOnStart: true},
	))
}

// SessionArgs are the arguments of the job that deletes expired sessions, tickets, keys, codes and
// invitation tokens.
type SessionArgs struct{}

// Kind returns River's name of the job.
func (SessionArgs) Kind() string { return "session_sweep" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (SessionArgs) InsertOpts() river.InsertOpts {
	return insertOpts()
}

type sessionWorker struct {
	river.WorkerDefaults[SessionArgs]
	directory *directory.Service
}

// Work implements river.Worker.
func (w *sessionWorker) Work(ctx context.Context, _ *river.Job[SessionArgs]) error {
	if _, err := w.directory.Sweep(ctx); err != nil {
		return fmt.Errorf("sweep: %s", postgres.SafeError(err))
	}
	return nil
}
