package operator

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
)

// DeadLetter is an outbox row that could not be moved to the ledger.
type DeadLetter = ledger.DeadLetter

// ListDeadLetters returns at most limit outbox rows with an id above after that the sequencer
// dead-lettered, the oldest first.
func (o *Operator) ListDeadLetters(ctx context.Context, after int64, limit int32) ([]DeadLetter, error) {
	pool, err := o.worker.get(ctx)
	if err != nil {
		return nil, err
	}
	all, err := ledger.ListDeadLetters(ctx, pool, after, limit)
	return all, o.safe(err)
}

// RedriveDeadLetter returns a dead-lettered row to the outbox, with an event that records who did
// so.
func (o *Operator) RedriveDeadLetter(ctx context.Context, cmd care.Command, id int64) error {
	return o.withJobs(ctx, func(j *jobs) error {
		return j.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
			eventID, err := ledger.Requeue(ctx, tx, id)
			if err != nil {
				return err
			}
			return outbox.Append(ctx, tx, redriven(cmd, fmt.Sprintf("outbox/%d", id), event.Redriven{EventID: eventID, OutboxID: id}))
		})
	})
}

// StartEpoch starts a new epoch of the ledger and returns its number. Clients with a cursor of an
// older epoch have to resync.
func (o *Operator) StartEpoch(ctx context.Context, reason string) (int32, error) {
	pool, err := o.worker.get(ctx)
	if err != nil {
		return 0, err
	}
	epoch, err := ledger.NewEpoch(ctx, pool, reason)
	return epoch, o.oneLine(err)
}

// LedgerHead is the last event of the ledger.
type LedgerHead = ledger.LastEvent

// Verification is the result of a check of the ledger.
type Verification = ledger.Verification

// GetLedgerHead returns the last event of the ledger.
func (o *Operator) GetLedgerHead(ctx context.Context) (head LedgerHead, err error) {
	err = o.readAsOperator(ctx, func(tx pgx.Tx) error {
		head, err = ledger.GetLastEvent(ctx, tx)
		return err
	})
	return head, err
}

// VerifyLedger checks the events from one position to another; 0 is the last one.
func (o *Operator) VerifyLedger(ctx context.Context, from, until int64) (Verification, error) {
	pool, err := o.worker.get(ctx)
	if err != nil {
		return Verification{}, err
	}
	v, err := ledger.Verify(ctx, pool, from, until)
	return v, o.safe(err)
}
