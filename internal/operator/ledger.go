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
