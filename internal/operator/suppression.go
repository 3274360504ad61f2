package operator

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/notify"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
)

// Suppression is an address that gets no more messages.
type Suppression = notify.Suppression

// SuppressionFilter selects suppressions; an empty field selects all.
type SuppressionFilter = notify.SuppressionFilter

// ListSuppressions is notify.ListSuppressions.
func (o *Operator) ListSuppressions(ctx context.Context, f SuppressionFilter) (page []Suppression, next care.PageCursor, err error) {
	pool, err := o.worker.get(ctx)
	if err != nil {
		return nil, care.PageCursor{}, err
	}
	f.Channels = o.channels.Names()
	err = postgres.InTx(ctx, pool, func(tx pgx.Tx) (err error) {
		page, next, err = notify.ListSuppressions(ctx, tx, f)
		return err
	})
	return page, next, o.safe(err)
}

// ListSuppressionsAfter returns suppressions, the newest first, from the one after the suppression with
// the id after. The zero id starts with the first. It reads page by page until there are f.Limit.
func (o *Operator) ListSuppressionsAfter(ctx context.Context, f SuppressionFilter, after uuid.UUID) (all []Suppression, err error) {
	if after != uuid.Nil {
		pool, err := o.worker.get(ctx)
		if err != nil {
			return nil, err
		}
		if f.Before, err = notify.SuppressionMark(ctx, pool, after); err != nil {
			return nil, o.safe(err)
		}
	}
	return readPages(f.Before, f.Limit, func(before care.PageCursor, limit int) ([]Suppression, care.PageCursor, error) {
		f.Before, f.Limit = before, limit
		return o.ListSuppressions(ctx, f)
	})
}

// RemoveSuppression is notify.RemoveSuppression.
func (o *Operator) RemoveSuppression(ctx context.Context, cmd care.Command, id uuid.UUID) error {
	return o.withWriter(ctx, func(writer *outbox.Writer) error { return notify.RemoveSuppression(ctx, writer, cmd, id) })
}
