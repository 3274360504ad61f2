package dispatch

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"carewire/internal/event"
	"carewire/internal/notify"
	"carewire/internal/rule"
)

// followReviews releases held notifications, for each event of the batch that ends a hold: a
// review, and the retraction of an unreviewed record.
func (p *Planner) followReviews(ctx context.Context, tx pgx.Tx, batch []event.Event) error {
	for i := range batch {
		e := &batch[i]
		d, ok := event.Lookup(e.Type)
		if !ok || e.PersonID == nil {
			continue
		}
		if _, ok := d.Payload.(event.Record); !ok {
			continue
		}
		if strings.HasSuffix(e.Type, ".reviewed") || (strings.HasSuffix(e.Type, ".retracted") && e.Held()) {
			if err := notify.Reviewed(ctx, tx, p.river, e.Subject, *e.PersonID); err != nil {
				return err
			}
		}
	}
	return nil
}

// report logs and counts critical events that reach no one. A batch that is planned again is
// reported again.
func (p *Planner) report(ctx context.Context, plan *plan) {
	for _, d := range plan.decisions {
		if d.reason != rule.ReasonReachedNobody {
			continue
		}
		p.logger.ErrorContext(ctx, "a critical event reaches nobody", "event_id", d.event.ID, "position", d.event.Position, "clinic_id", d.event.ClinicID)
		if p.unreached != nil {
			p.unreached()
		}
	}
}
