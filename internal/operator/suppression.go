package operator

import (
	"context"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/notify"
	"carewire/internal/outbox"
)

// Suppression is an address that gets no more messages.
type Suppression = notify.Suppression

// SuppressionFilter selects suppressions; an empty field selects all.
type SuppressionFilter = notify.SuppressionFilter

// ListSuppressions is notify.ListSuppressions.
func (o *Operator) ListSuppressions(ctx context.Context, f SuppressionFilter) (all []Suppression, err error) {
	pool, err := o.worker.get(ctx)
	if err != nil {
		return nil, err
	}
	f.Channels = o.channels.Names()
	all, err = notify.ListSuppressions(ctx, pool, f)
	return all, o.safe(err)
}

// ListSuppressionsAfter is ListSuppressions from the one after the suppression with the id after. The
// zero id starts with the first.
func (o *Operator) ListSuppressionsAfter(ctx context.Context, f SuppressionFilter, after uuid.UUID) ([]Suppression, error) {
	if after != uuid.Nil {
		pool, err := o.worker.get(ctx)
		if err != nil {
			return nil, err
		}
		if f.Before, err = notify.SuppressionMark(ctx, pool, after); err != nil {
			return nil, o.safe(err)
		}
	}
	return o.ListSuppressions(ctx, f)
}

// RemoveSuppression is notify.RemoveSuppression.
func (o *Operator) RemoveSuppression(ctx context.Context, cmd care.Command, id uuid.UUID) error {
	return o.withWriter(ctx, func(writer *outbox.Writer) error { return notify.RemoveSuppression(ctx, writer, cmd, id) })
}
