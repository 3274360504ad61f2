package notify

import (
	"context"
	"log/slog"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// lastOnly keeps one completed job of each periodic kind. Several sweeps every 15 seconds would
// otherwise be thousands of rows an hour, between which an operator cannot find a delivery. Jobs
// that failed stay as long as River keeps them. Deliveries are not periodic.
type lastOnly struct {
	river.MiddlewareDefaults
	queries *db.Queries
	logger  *slog.Logger
}

var _ rivertype.WorkerMiddleware = (*lastOnly)(nil)

// Work deletes the earlier completed jobs of the kind once the job has succeeded. River then
// completes the job itself.
func (m *lastOnly) Work(ctx context.Context, job *rivertype.JobRow, doInner func(context.Context) error) error {
	if err := doInner(ctx); err != nil || job.Kind == (DeliveryArgs{}).Kind() {
		return err
	}
	// The work is done: a failure here must not fail it. The next job deletes more.
	if _, err := m.queries.PeriodicJobForget(ctx, db.PeriodicJobForgetParams{
		Queue: job.Queue, Priority: int16(job.Priority), Kind: job.Kind, ID: job.ID,
	}); err != nil {
		m.logger.WarnContext(ctx, "completed periodic jobs could not be deleted", "kind", job.Kind, "error", postgres.SafeError(err))
	}
	return nil
}
