package notify

import (
	"context"
	"encoding/binary"
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
	// receiptLook is how many waiting receipts one sweep examines, and receiptForget how many of each
	// kind it deletes.
	receiptLook   = 1000
	receiptForget = 5000
)

// overtaken applies the receipts that came before the settlements were committed. It looks after
// the commit, in a statement of its own: a receipt either was committed before and is found here,
// or waited for the delivery's lock and saw the settlement. A failure is left to the sweep.
func (w *Worker) overtaken(ctx context.Context, all []settlement) {
	var p db.ReceiptWaitingParams
	var client *river.Client[pgx.Tx]
	for _, s := range all {
		if s.closed() || s.client == nil {
			continue
		}
		client = s.client
		p.DeliveryIds = append(p.DeliveryIds, s.id)
		if s.receipt.ProviderID != "" {
			p.ProviderIds = append(p.ProviderIds, s.receipt.ProviderID)
		}
	}
	if len(p.DeliveryIds) == 0 {
		return
	}
	ids, err := w.queries.ReceiptWaiting(ctx, p)
	if err == nil {
		_, err = w.applyStored(ctx, client, ids)
	}
	if err != nil {
		w.cfg.Logger.WarnContext(ctx, "receipts of sent messages not applied yet; the sweep applies them", "error", postgres.SafeError(err))
	}
}

// sweepReceipts applies waiting receipts whose send was settled meanwhile, because a process died
// between the two, and deletes old ones. It examines the waiting receipts behind those of the
// previous sweep. It returns how many it applied.
func (w *Worker) sweepReceipts(ctx context.Context, client *river.Client[pgx.Tx]) (int, error) {
	after, err := w.queries.SweepCursor(ctx, receiptSweep)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("look for waiting receipts: %w", err)
	}
	ids, err := w.queries.ReceiptWaitingPage(ctx, db.ReceiptWaitingPageParams{AfterID: after.AfterID, MaxRows: receiptLook})
	if err != nil {
		return 0, fmt.Errorf("look for waiting receipts: %w", err)
	}
	done, failed := w.applyStored(ctx, client, ids)
	if postgres.RowFault(failed) {
		// One of them may be at fault: it must not stop the others.
		failed = nil
		for _, id := range ids {
			one, err := w.applyStored(ctx, client, []uuid.UUID{id})
			done.add(one)
			failed = errors.Join(failed, err)
		}
	}
	if postgres.Transient(failed) {
		return done.Matched, failed // The same ones again.
	}
	if len(ids) < receiptLook {
		err = w.queries.SweepRestart(ctx, receiptSweep)
	} else {
		err = w.queries.SweepAdvance(ctx, db.SweepAdvanceParams{Name: receiptSweep, AfterTime: care.BeforeAll.Time, AfterID: ids[len(ids)-1]})
	}
	return done.Matched, errors.Join(failed, err, w.forgetReceipts(ctx))
}

func (w *Worker) forgetReceipts(ctx context.Context) error {
	waiting, err := w.queries.ReceiptForgetWaiting(ctx, db.ReceiptForgetWaitingParams{
		BeforeID: firstID(time.Now().Add(-receiptKeepWaiting)), MaxRows: receiptForget,
	})
	if err != nil {
		return fmt.Errorf("delete receipts without a message: %w", err)
	}
	if waiting > 0 {
		w.cfg.Logger.WarnContext(ctx, "deleted receipts for which no message was found in 72 hours", "count", waiting)
	}
	if _, err := w.queries.ReceiptForget(ctx, db.ReceiptForgetParams{KeepSeconds: receiptKeep.Seconds(), MaxRows: receiptForget}); err != nil {
		return fmt.Errorf("delete old receipts: %w", err)
	}
	return nil
}

// firstID returns the smallest UUIDv7 of the millisecond (RFC 9562, section 5.7).
func firstID(t time.Time) (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[:8], uint64(t.UnixMilli())<<16|0x7000) // The time is after 1970.
	id[8] = 0x80
	return id
}
