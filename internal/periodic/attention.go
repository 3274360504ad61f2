package periodic

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"carewire/internal/clinic/appointment"
	"carewire/internal/postgres"
)

// attentionInterval is the longest time until appointments of a person who left are reported, other
// than those that the departure itself reported.
const attentionInterval = 15 * time.Second

// AddAttention adds the job that reports appointments of people who left a clinic or were disabled.
// Call it after Add.
func AddAttention(cfg *river.Config, appointments *appointment.Service) {
	river.AddWorker(cfg.Workers, &attentionWorker{appointments: appointments})
	cfg.PeriodicJobs = append(cfg.PeriodicJobs, river.NewPeriodicJob(
		river.PeriodicInterval(attentionInterval),
		func() (river.JobArgs, *river.InsertOpts) { return AttentionArgs{}, nil },
		&river.PeriodicJobOpts{ID: AttentionArgs{}.Kind(), RunOnStart: true},
	))
}

// AttentionArgs are the arguments of the job that reports appointments left behind.
type AttentionArgs struct{}

// Kind returns River's name of the job.
func (AttentionArgs) Kind() string { return "appointment_attention" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (AttentionArgs) InsertOpts() river.InsertOpts {
	return insertOpts()
}

type attentionWorker struct {
	river.WorkerDefaults[AttentionArgs]
	appointments *appointment.Service
}

func (w *attentionWorker) Work(ctx context.Context, _ *river.Job[AttentionArgs]) error {
	if _, err := w.appointments.SweepAttention(ctx); err != nil {
		return fmt.Errorf("report appointments left behind: %s", postgres.SafeError(err))
	}
	return nil
}
