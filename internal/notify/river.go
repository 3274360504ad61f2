package notify

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// Schema is where River keeps its tables.
const Schema = "river"

const (
	// defaultMaxWorkers is how many messages of a channel are in progress at once: calls mostly wait
	// for the provider.
	defaultMaxWorkers = 64
	// fetchCooldown is the shortest time between two fetches of a queue. A fetch after a pause is not
	// delayed; under load, a longer cooldown makes fuller batches.
	fetchCooldown = 10 * time.Millisecond
	// fetchPoll is how often a queue is fetched without a notification: of jobs that were snoozed or
	// are retried within seconds, and after the connection that listens broke.
	fetchPoll = time.Second
)

// RiverConfig returns the configuration of a River client that works this package's jobs: the
// sweep, and a queue for each channel, also for those that are not configured, whose deliveries
// fail over to their fallback. The caller may add workers and queues; of the jobs of each kind but
// deliveries only the last completed one is kept. maxWorkers bounds the deliveries in progress on
// one channel; 0 means 64.
//
// A trigger (river_notify.sql) wakes the queue at each insert. River's own NOTIFY does not suffice: it is
// sent at most once per cooldown and client, and also counts for an insert that is rolled back.
func (w *Worker) RiverConfig(logger *slog.Logger, maxWorkers int) *river.Config {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.Worker[DeliveryArgs](w))
	river.AddWorker(workers, river.Worker[SweepArgs](&sweeper{worker: w}))
	queues := map[string]river.QueueConfig{sweepQueue: {MaxWorkers: 1}}
	for _, channel := range w.cfg.Known.Names() {
		queues[channel] = river.QueueConfig{MaxWorkers: cmp.Or(maxWorkers, defaultMaxWorkers)}
	}
	return &river.Config{
		Schema:                      Schema,
		Queues:                      queues,
		Workers:                     workers,
		Logger:                      logger,
		ErrorHandler:                &errorHandler{logger: logger},
		Middleware:                  []rivertype.Middleware{&lastOnly{queries: w.queries, logger: logger}},
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           fetchPoll,
		JobTimeout:                  jobTimeout,
		RescueStuckJobsAfter:        rescueAfter,
		CompletedJobRetentionPeriod: time.Hour,
		// Its reindexer needs the owner of the tables.
		ReindexerSchedule: river.NeverSchedule(),
		PeriodicJobs: []*river.PeriodicJob{river.NewPeriodicJob(
			river.PeriodicInterval(sweepInterval),
			func() (river.JobArgs, *river.InsertOpts) { return SweepArgs{}, nil },
			&river.PeriodicJobOpts{ID: "delivery_sweep", RunOnStart: true},
		)},
	}
}

// errorHandler logs the errors of River's jobs, which consist of codes. Of a panic it logs the type
// only.
type errorHandler struct{ logger *slog.Logger }

// HandleError implements river.ErrorHandler.
func (h *errorHandler) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	h.logger.InfoContext(ctx, "job failed; it is retried or discarded", "job_id", job.ID, "kind", job.Kind, "attempt", job.Attempt, "error", err.Error())
	return nil
}

// HandlePanic implements river.ErrorHandler.
func (h *errorHandler) HandlePanic(ctx context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	h.logger.ErrorContext(ctx, "job panicked", "job_id", job.ID, "kind", job.Kind, "attempt", job.Attempt, "panic_type", fmt.Sprintf("%T", value), "stack", trace)
	return nil
}

// stack returns the trace of a panic. It contains addresses, not values.
func stack() string { return string(debug.Stack()) }
