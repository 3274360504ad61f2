package periodic

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"carewire/internal/clinic/appointment"
	"carewire/internal/postgres"
)

// attentionInterval is how long the appointments of a departure are untold beyond those that it told of itself.
const attentionInterval = 15 * time.Second

// AddAttention makes cfg, to which Add has been applied, tell of the appointments that people left behind who left a clinic or
// were disabled.
func AddAttention(cfg *river.Config, appointments *appointment.Service) {
	river.AddWorker(cfg.Workers, &attentionWorker{appointments: appointments})
	cfg.PeriodicJobs = append(cfg.PeriodicJobs, river.NewPeriodicJob(
		river.PeriodicInterval(attentionInterval),
		func() (river.JobArgs, *river.InsertOpts) { return AttentionArgs{}, nil },
		&river.PeriodicJobOpts{ID: AttentionArgs{}.Kind(), RunOnStart: true},
	))
}

// AttentionArgs are the arguments of a job that tells of appointments left behind: none.
type AttentionArgs struct{}

// Kind is River's name for the job.
func (AttentionArgs) Kind() string { return "appointment_attention" }

// InsertOpts keeps a second job from waiting beside one that is not done.
func (AttentionArgs) InsertOpts() river.InsertOpts {
	return once()
}

type attentionWorker struct {
	river.WorkerDefaults[AttentionArgs]
	appointments *appointment.Service
}

func (w *attentionWorker) Work(ctx context.Context, _ *river.Job[AttentionArgs]) error {
	if _, err := w.appointments.SweepAttention(ctx); err != nil {
		return fmt.Errorf("tell of appointments left behind: %s", postgres.SafeError(err))
	}
	return nil
}
