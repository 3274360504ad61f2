package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"carewire/internal/care"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

const (
	sweepQueue    = "sweep"
	sweepInterval = 15 * time.Second
	// sweepGrace is how long a delivery may be without a live job: longer than the commit of a
	// job's insertion takes, and than a worker may need after River discarded its job.
	sweepGrace = 2 * time.Minute
	// sweepLook is how many queued deliveries one sweep examines; the next one continues behind
	// them. At 15 seconds a sweep, a backlog of 100,000 is examined in 5 minutes. One sweep's share
	// takes some 50 ms (measured).
	sweepLook = 5000
	// sweepBatch bounds the deliveries of each kind that one sweep handles.
	sweepBatch = 500
	// strandedSweep names the cursor of the search for stranded deliveries.
	strandedSweep = "stranded deliveries"
)

// OutcomeUnsettleable is the outcome of a delivery whose settlement the database rejects: it is
// parked.
const OutcomeUnsettleable Outcome = "unsettleable"

// Sweep inserts a new job for deliveries that no live job carries, because the rescuer discarded it
// or it was deleted. It cancels those whose job was cancelled by hand, closes those that waited for
// a receipt until their deadline, queues held notifications at the end of the clinic's period, and
// applies receipts that came before their send was settled.
// It returns how many it handled. The work of one sweep is bounded, regardless of the backlog. A
// delivery that fails does not stop the others: Sweep returns the errors joined. Several instances
// may sweep at once.
func (w *Worker) Sweep(ctx context.Context, client *river.Client[pgx.Tx]) (int, error) {
	stranded, err := w.sweepStranded(ctx, client)
	expired, errExpired := w.sweepExpired(ctx, client)
	held, errHeld := w.sweepHeld(ctx, client)
	receipts, errReceipts := w.sweepReceipts(ctx, client)
	return stranded + expired + held + receipts, errors.Join(err, errExpired, errHeld, errReceipts)
}

func (w *Worker) sweepExpired(ctx context.Context, client *river.Client[pgx.Tx]) (int, error) {
	rows, err := w.queries.DeliveryExpired(ctx, sweepBatch)
	if err != nil {
		return 0, fmt.Errorf("read expired deliveries: %w", postgres.Translate(err))
	}
	return w.closeEach(ctx, client, len(rows), func(i int) (settlement, []string) { return expiry(rows[i]) })
}

// closeEach closes n deliveries one after the other. It continues after one that fails, until ctx
// ends.
func (w *Worker) closeEach(ctx context.Context, client *river.Client[pgx.Tx], n int, next func(i int) (settlement, []string)) (done int, err error) {
	for i := range n {
		if ctx.Err() != nil {
			return done, errors.Join(err, ctx.Err())
		}
		s, fallback := next(i)
		closed, failed := w.closeOrPark(ctx, client, s, fallback)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("close delivery %s: %w", s.id, failed))
		}
		if closed {
			done++
		}
	}
	return done, err
}

// closeOrPark commits a settlement that ends a delivery. If the database rejects it because of the
// row, it tries without the fallback, and then parks the delivery. It reports whether the delivery
// was still open.
func (w *Worker) closeOrPark(ctx context.Context, client *river.Client[pgx.Tx], s settlement, fallback []string) (bool, error) {
	closed, err := w.commit(ctx, client, s, fallback)
	if len(fallback) > 0 && postgres.RowFault(err) {
		w.cfg.Logger.ErrorContext(ctx, "fallback could not be planned", "delivery_id", s.id, "error", postgres.SafeError(err))
		closed, err = w.commit(ctx, client, s, nil)
	}
	if postgres.RowFault(err) {
		return w.park(ctx, s, err)
	}
	if closed && s.state == "unknown" {
		w.cfg.Observe(s.channel, OutcomeUnknown, 0)
	}
	return closed, err
}

// park ends a delivery as failed, without an event. An operator has to examine it.
func (w *Worker) park(ctx context.Context, s settlement, cause error) (bool, error) {
	n, err := w.queries.DeliveryPark(context.WithoutCancel(ctx), db.DeliveryParkParams{ID: s.id, Attempt: s.attempt, FromStates: predecessors[s.state]})
	if err != nil {
		return false, errors.Join(cause, err)
	}
	if n == 0 {
		return false, nil
	}
	w.cfg.Logger.ErrorContext(ctx, "delivery cannot be settled; it failed with the code unsettleable",
		"delivery_id", s.id, "state", s.state, "code", s.code, "error", postgres.SafeError(cause))
	w.cfg.Observe(s.channel, OutcomeUnsettleable, 0)
	return true, nil
}

// piece is the part of the queued deliveries that one sweep examines.
type piece struct {
	stranded []db.DeliveryStrandedRow
	// last is where the next sweep continues; ends reports that it is the last delivery.
	last db.DeliveryQueuedPageRow
	ends bool
}

// sweepStranded examines the queued deliveries behind those of the previous sweep, and starts over
// after the last. The cursor is in the database, so that instances that take turns examine the
// backlog once.
func (w *Worker) sweepStranded(ctx context.Context, client *river.Client[pgx.Tx]) (int, error) {
	found, err := w.nextPiece(ctx)
	if err != nil {
		return 0, fmt.Errorf("look for stranded deliveries: %w", err)
	}
	n, failed := w.requeueAll(ctx, client, found.stranded)
	if postgres.Transient(failed) {
		return n, failed // The same ones again.
	}
	if found.ends {
		err = w.queries.SweepRestart(ctx, strandedSweep)
	} else {
		err = w.queries.SweepAdvance(ctx, db.SweepAdvanceParams{Name: strandedSweep, AfterTime: found.last.CreatedAt, AfterID: found.last.ID})
	}
	if err != nil {
		failed = errors.Join(failed, fmt.Errorf("store the sweep's cursor: %w", err))
	}
	return n, failed
}

// nextPiece returns the next piece.
func (w *Worker) nextPiece(ctx context.Context) (piece, error) {
	after, err := w.queries.SweepCursor(ctx, strandedSweep)
	if errors.Is(err, pgx.ErrNoRows) {
		after, err = db.SweepCursorRow{AfterTime: care.BeforeAll.Time}, nil
	}
	if err != nil {
		return piece{}, err
	}
	p := piece{last: db.DeliveryQueuedPageRow{CreatedAt: care.AfterAll.Time, ID: care.AfterAll.ID}, ends: true}
	err = postgres.InTx(ctx, w.cfg.Pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := q.SweepInOrder(ctx); err != nil {
			return err
		}
		page, err := q.DeliveryQueuedPage(ctx, db.DeliveryQueuedPageParams{AfterTime: after.AfterTime, AfterID: after.AfterID, RowSkip: sweepLook - 1})
		if len(page) == 1 {
			p.last, p.ends = page[0], false
		}
		return err
	})
	if err != nil {
		return piece{}, err
	}
	p.stranded, err = w.queries.DeliveryStranded(ctx, db.DeliveryStrandedParams{
		AfterTime: after.AfterTime, AfterID: after.AfterID, LastTime: p.last.CreatedAt, LastID: p.last.ID,
		GraceSeconds: sweepGrace.Seconds(), MaxRows: sweepBatch,
	})
	if len(p.stranded) == sweepBatch {
		full := p.stranded[sweepBatch-1]
		p.last, p.ends = db.DeliveryQueuedPageRow{CreatedAt: full.CreatedAt, ID: full.ID}, false
	}
	return p, err
}

// requeueAll requeues all deliveries together. If that fails because of a row, it requeues each
// alone.
func (w *Worker) requeueAll(ctx context.Context, client *river.Client[pgx.Tx], all []db.DeliveryStrandedRow) (int, error) {
	if len(all) == 0 {
		return 0, nil
	}
	queued, cancelled, err := w.requeue(ctx, client, all)
	if len(all) > 1 && postgres.RowFault(err) {
		err = nil
		for i := range all {
			n, more, failed := w.requeue(ctx, client, all[i:i+1])
			queued += n
			cancelled = append(cancelled, more...)
			err = errors.Join(err, failed)
		}
	}
	if queued > 0 {
		w.cfg.Logger.WarnContext(ctx, "requeued deliveries that no live job carried", "count", queued)
	}
	done, failed := w.closeEach(ctx, client, len(cancelled), func(i int) (settlement, []string) { return cancelled[i], nil })
	return queued + done, errors.Join(err, failed)
}

// requeue inserts new jobs for stranded deliveries. It returns how many, and the settlements of
// those whose last job was cancelled.
func (w *Worker) requeue(ctx context.Context, client *river.Client[pgx.Tx], all []db.DeliveryStrandedRow) (queued int, cancelled []settlement, err error) {
	wasCancelled := map[uuid.UUID]bool{}
	ids := make([]uuid.UUID, len(all))
	for i, s := range all {
		ids[i] = s.ID
		wasCancelled[s.ID] = s.LastJob == "cancelled"
	}
	var jobs []river.InsertManyParams
	err = postgres.InTx(ctx, w.cfg.Pool, func(tx pgx.Tx) error {
		rows, err := db.New(tx).DeliveryTakeStranded(ctx, db.DeliveryTakeStrandedParams{Ids: ids, GraceSeconds: sweepGrace.Seconds()})
		if err != nil {
			return fmt.Errorf("take stranded deliveries: %w", err)
		}
		for _, r := range rows {
			if wasCancelled[r.ID] {
				cancelled = append(cancelled, cancellation(r))
				continue
			}
			jobs = append(jobs, river.InsertManyParams{Args: DeliveryArgs{DeliveryID: r.ID}, InsertOpts: JobOpts(r.Channel, r.Priority)})
		}
		if len(jobs) == 0 {
			return nil
		}
		if _, err := client.InsertManyFastTx(ctx, tx, jobs); err != nil {
			return fmt.Errorf("insert jobs for stranded deliveries: %w", err)
		}
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	return len(jobs), cancelled, nil
}

// cancellation returns the settlement of a delivery whose job an operator cancelled in the
// dashboard.
func cancellation(r db.DeliveryTakeStrandedRow) settlement {
	s := settlement{
		delivery: delivery{
			id: r.ID, notificationID: r.NotificationID, eventID: r.EventID, recipientID: r.RecipientID, channel: r.Channel,
			attempt: r.Attempt, correlationID: r.CorrelationID, traceparent: r.Traceparent,
		},
		state: "cancelled", reason: "job_cancelled", code: "cancelled",
	}
	s.addEvent(s.outcome("notification.failed", s.code, r.PossibleDuplicate))
	return s
}

// sweeper runs Sweep as a periodic job, on one instance at a time.
type sweeper struct {
	river.WorkerDefaults[SweepArgs]
	worker *Worker
}

// Work implements river.Worker.
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
