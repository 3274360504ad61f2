package periodic

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"carewire/internal/clinic/billing"
	"carewire/internal/postgres"
)

// overdueInterval is the longest time after midnight at a clinic until an invoice is marked
// overdue.
const overdueInterval = 15 * time.Minute

// AddOverdue adds the job that marks overdue invoices. Call it after Add.
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

// Kind returns River's name of the job.
func (OverdueArgs) Kind() string { return "invoice_overdue" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (OverdueArgs) InsertOpts() river.InsertOpts {
	return insertOpts()
}

type overdueWorker struct {
	river.WorkerDefaults[OverdueArgs]
	billing *billing.Service
}

// Work implements river.Worker.
func (w *overdueWorker) Work(ctx context.Context, _ *river.Job[OverdueArgs]) error {
	if _, err := w.billing.SweepOverdue(ctx); err != nil {
		return fmt.Errorf("mark overdue invoices: %s", postgres.SafeError(err))
	}
	return nil
}
