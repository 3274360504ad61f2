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

// defaultMaxWorkers is how many messages of a channel are under way at once: calls mostly wait for the provider.
const defaultMaxWorkers = 32

// RiverConfig gives the configuration of a River client that works this package's jobs: a queue for each channel, also
// for those not configured, whose deliveries then fail over to their fallback; and the sweep. The caller may add workers
// and queues to it. maxWorkers bounds the deliveries under way on one channel; 0 means 32.
//
// An insert's NOTIFY is sent at most once a cooldown and client, also for one that is rolled back, so that the short poll
// is part of correctness.
func (w *Worker) RiverConfig(logger *slog.Logger, maxWorkers int) *river.Config {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.Worker[DeliveryArgs](w))
	river.AddWorker(workers, river.Worker[SweepArgs](&sweeper{worker: w}))
	queues := map[string]river.QueueConfig{sweepQueue: {MaxWorkers: 1, FetchPollInterval: time.Second}}
	for _, channel := range w.cfg.Known.Names() {
		queues[channel] = river.QueueConfig{MaxWorkers: cmp.Or(maxWorkers, defaultMaxWorkers)}
	}
	return &river.Config{
		Schema:                      Schema,
		Queues:                      queues,
		Workers:                     workers,
		Logger:                      logger,
		ErrorHandler:                &errorHandler{logger: logger},
		FetchCooldown:               5 * time.Millisecond,
		FetchPollInterval:           100 * time.Millisecond,
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

// errorHandler logs what River's jobs return. Their errors are made of codes; of a panic only the type is told.
type errorHandler struct{ logger *slog.Logger }

// HandleError logs a job's error.
func (h *errorHandler) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	h.logger.InfoContext(ctx, "job will be tried again or given up", "job_id", job.ID, "kind", job.Kind, "attempt", job.Attempt, "error", err.Error())
	return nil
}

// HandlePanic logs a job's panic.
func (h *errorHandler) HandlePanic(ctx context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	h.logger.ErrorContext(ctx, "job panicked", "job_id", job.ID, "kind", job.Kind, "attempt", job.Attempt, "panic_type", fmt.Sprintf("%T", value), "stack", trace)
	return nil
}

// stack is the trace of a panic. It holds addresses, not values.
func stack() string { return string(debug.Stack()) }
