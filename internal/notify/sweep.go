package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

const (
	sweepQueue    = "sweep"
	sweepInterval = 15 * time.Second
	// sweepGrace is how long a delivery may be without a live job: longer than it takes a job's insertion to commit, and
	// than a worker may need after River gave up its job.
	sweepGrace = 2 * time.Minute
	sweepBatch = 500
)

// Sweep closes deliveries that waited in vain for a receipt, and gives a new job to those that no live job carries: the
// rescuer discarded it, or somebody deleted it. One whose job was cancelled by hand is cancelled. It gives how many it
// took on; several instances may sweep at once.
func (w *Worker) Sweep(ctx context.Context, client *river.Client[pgx.Tx]) (int, error) {
	expired, err := w.sweepExpired(ctx, client)
	if err != nil {
		return expired, err
	}
	stranded, err := w.sweepStranded(ctx, client)
	return expired + stranded, err
}

func (w *Worker) sweepExpired(ctx context.Context, client *river.Client[pgx.Tx]) (int, error) {
	rows, err := w.queries.DeliveryExpired(ctx, sweepBatch)
	if err != nil {
		return 0, fmt.Errorf("read expired deliveries: %w", postgres.Translate(err))
	}
	done := 0
	for _, r := range rows {
		s, fallback := expiry(r)
		settled, err := w.commit(ctx, client, s, fallback)
		if err != nil {
			return done, fmt.Errorf("close delivery without receipt: %w", postgres.Translate(err))
		}
		if settled {
			done++
			w.cfg.Observe(r.Channel, Unknown, 0)
		}
	}
	return done, nil
}

func (w *Worker) sweepStranded(ctx context.Context, client *river.Client[pgx.Tx]) (int, error) {
	var n int
	err := postgres.InTx(ctx, w.cfg.Pool, func(tx pgx.Tx) error {
		rows, err := db.New(tx).DeliveryTakeStranded(ctx, db.DeliveryTakeStrandedParams{GraceSeconds: sweepGrace.Seconds(), MaxRows: sweepBatch})
		if err != nil {
			return fmt.Errorf("take stranded deliveries: %w", err)
		}
		var jobs []river.InsertManyParams
		var cancelled []settlement
		for _, r := range rows {
			if r.LastJob == "cancelled" {
				cancelled = append(cancelled, cancellation(r))
				continue
			}
			jobs = append(jobs, river.InsertManyParams{Args: DeliveryArgs{DeliveryID: r.ID}, InsertOpts: JobOpts(r.Channel, r.Priority)})
		}
		n = len(rows)
		if _, err := settleAll(ctx, tx, cancelled); err != nil {
			return fmt.Errorf("cancel deliveries: %w", err)
		}
		if len(jobs) == 0 {
			return nil
		}
		if _, err := client.InsertManyFastTx(ctx, tx, jobs); err != nil {
			return fmt.Errorf("insert jobs for stranded deliveries: %w", err)
		}
		return nil
	})
	if n > 0 && err == nil {
		w.cfg.Logger.WarnContext(ctx, "took on deliveries that no live job carried", "count", n)
		w.cfg.Ring()
	}
	return n, err
}

// cancellation follows an operator who cancelled the job in the dashboard.
func cancellation(r db.DeliveryTakeStrandedRow) settlement {
	s := settlement{
		delivery: delivery{
			id: r.ID, notificationID: r.NotificationID, eventID: r.EventID, recipientID: r.RecipientID, channel: r.Channel,
			attempt: r.Attempt, correlationID: r.CorrelationID, traceparent: r.Traceparent,
		},
		state: "cancelled", reason: "job_cancelled", code: "cancelled",
	}
	s.tell(s.outcome("notification.failed", s.code, r.PossibleDuplicate))
	return s
}

// sweeper runs Sweep as a periodic job, on one instance at a time.
type sweeper struct {
	river.WorkerDefaults[SweepArgs]
	worker *Worker
}

// Work sweeps once.
func (s *sweeper) Work(ctx context.Context, _ *river.Job[SweepArgs]) error {
	client, err := river.ClientFromContextSafely[pgx.Tx](ctx)
	if err != nil {
		return err
	}
	if _, err := s.worker.Sweep(ctx, client); err != nil {
		return fmt.Errorf("sweep: %s", postgres.SafeError(err))
	}
	return nil
}
