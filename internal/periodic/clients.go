package periodic

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"carewire/internal/audit"
	"carewire/internal/postgres"
)

// clientInterval is the longest time that a client is stored beyond the retention period, unless
// more than a million events are recorded in it.
const clientInterval = 15 * time.Minute

// AddClients adds the job that deletes the clients of old events from the audit trail. Call it after
// Add.
func AddClients(cfg *river.Config, pool *pgxpool.Pool, retention time.Duration) {
	river.AddWorker(cfg.Workers, &clientWorker{pool: pool, retention: retention})
	cfg.PeriodicJobs = append(cfg.PeriodicJobs, river.NewPeriodicJob(
		river.PeriodicInterval(clientInterval),
		func() (river.JobArgs, *river.InsertOpts) { return ClientArgs{}, nil },
		&river.PeriodicJobOpts{ID: ClientArgs{}.Kind(), RunOnStart: true},
	))
}

// ClientArgs are the arguments of the job that deletes the clients of old events.
type ClientArgs struct{}

// Kind returns River's name of the job.
func (ClientArgs) Kind() string { return "audit_client_sweep" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (ClientArgs) InsertOpts() river.InsertOpts {
	return insertOpts()
}

type clientWorker struct {
	river.WorkerDefaults[ClientArgs]
	pool      *pgxpool.Pool
	retention time.Duration
}

// Work implements river.Worker.
func (w *clientWorker) Work(ctx context.Context, _ *river.Job[ClientArgs]) error {
	if _, err := audit.SweepClients(ctx, w.pool, w.retention); err != nil {
		return fmt.Errorf("sweep clients: %s", postgres.SafeError(err))
	}
	return nil
}
