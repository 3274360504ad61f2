package operator

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/notify"
)

// DeliveryStatus is a delivery with its state.
type DeliveryStatus = notify.DeliveryStatus

// Explanation is the list of rules that matched an event, with their decisions.
type Explanation = dispatch.Explanation

// PersonExplanation explains one person's notifications of an event.
type PersonExplanation = dispatch.PersonExplanation

// DeliveryFilter selects deliveries; an empty field selects all.
type DeliveryFilter = notify.DeliveryFilter

// maxPage bounds the rows that one statement reads for a command.
const maxPage = 1000

// ListDeliveries returns deliveries, the last planned first, from the one after the delivery with
// the id after. The zero id starts with the first. It reads page by page until there are f.Limit.
func (o *Operator) ListDeliveries(ctx context.Context, f DeliveryFilter, after uuid.UUID) (all []DeliveryStatus, err error) {
	err = o.readAsOperator(ctx, func(tx pgx.Tx) error {
		if after != uuid.Nil {
			if f.Before, err = notify.DeliveryMark(ctx, tx, after); err != nil {
				return err
			}
		}
		f.Channels = o.channels.Names()
		all, err = readPages(f.Before, f.Limit, func(before care.PageCursor, limit int) ([]DeliveryStatus, care.PageCursor, error) {
			f.Before, f.Limit = before, limit
			return notify.Deliveries(ctx, tx, f)
		})
		return err
	})
	return all, err
}

// readPages reads page by page, from a cursor on, until there are limit rows or no more.
func readPages[T any](from care.PageCursor, limit int, read func(from care.PageCursor, limit int) ([]T, care.PageCursor, error)) (all []T, err error) {
	for more := true; more && len(all) < limit; {
		page, next, err := read(from, min(limit-len(all), maxPage))
		if err != nil {
			return nil, err
		}
		all, from, more = append(all, page...), next, next != (care.PageCursor{})
	}
	return all, nil
}

// RedriveDelivery queues a delivery again. See notify.Redrive for the states that it accepts.
func (o *Operator) RedriveDelivery(ctx context.Context, cmd care.Command, id uuid.UUID) error {
	return o.withJobs(ctx, func(j *jobs) error {
		return notify.Redrive(ctx, j.writer.Pool(), j.river, o.channels, cmd, id)
	})
}

// ExplainPosition is ExplainEvent for the event at a position of the ledger.
func (o *Operator) ExplainPosition(ctx context.Context, position int64) (x Explanation, err error) {
	err = o.readAsOperator(ctx, func(tx pgx.Tx) error {
		x, err = dispatch.ExplainPosition(ctx, tx, position)
		return err
	})
	return x, err
}

// ExplainPerson is ExplainEvent for one person, and tells which rules come nearest if none names them.
func (o *Operator) ExplainPerson(ctx context.Context, eventID, personID uuid.UUID) (x Explanation, err error) {
	known, err := o.known.get(ctx)
	if err != nil {
		return x, err
	}
	err = o.readAsOperator(ctx, func(tx pgx.Tx) error {
		x, err = dispatch.ExplainPerson(ctx, tx, eventID, personID, known.Known)
		return err
	})
	return x, err
}

// ExplainEvent returns the rules that matched an event and their decision for each recipient and
// channel.
func (o *Operator) ExplainEvent(ctx context.Context, eventID uuid.UUID) (x Explanation, err error) {
	err = o.readAsOperator(ctx, func(tx pgx.Tx) error {
		x, err = dispatch.Explain(ctx, tx, eventID)
		return err
	})
	return x, err
}
