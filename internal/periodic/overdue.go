package periodic

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"carewire/internal/clinic/billing"
	"carewire/internal/postgres"
)

// overdueInterval is how late after midnight at a clinic an invoice may be marked.
const overdueInterval = 15 * time.Minute

// AddOverdue gives the River client's configuration, after Add, the job that marks overdue invoices.
func AddOverdue(cfg *river.Config, bills *billing.Service) {
	river.AddWorker(cfg.Workers, &overdueWorker{billing: bills})
	cfg.PeriodicJobs = append(cfg.PeriodicJobs, river.NewPeriodicJob(
		river.PeriodicInterval(overdueInterval),
		func() (river.JobArgs, *river.InsertOpts) { return OverdueArgs{}, nil },
		&river.PeriodicJobOpts{ID: OverdueArgs{}.Kind(), RunOnStart: true},
	))
}

// OverdueArgs are the arguments of the job that marks overdue invoices.
type OverdueArgs struct{}

// Kind names the job in River's tables.
func (OverdueArgs) Kind() string { return "invoice_overdue" }

// InsertOpts does not repeat a failed run: the next comes anyway.
func (OverdueArgs) InsertOpts() river.InsertOpts {
	return once()
}

type overdueWorker struct {
	river.WorkerDefaults[OverdueArgs]
	billing *billing.Service
}

// Work marks what is overdue now.
func (w *overdueWorker) Work(ctx context.Context, _ *river.Job[OverdueArgs]) error {
	if _, err := w.billing.SweepOverdue(ctx); err != nil {
		return fmt.Errorf("mark overdue invoices: %s", postgres.SafeError(err))
	}
	return nil
}
