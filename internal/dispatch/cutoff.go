package dispatch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/notify"
	"carewire/internal/postgres/db"
)

// cutOffKey identifies a cut-off. The zero recipient is everybody.
type cutOffKey struct {
	subject   string
	recipient uuid.UUID
}

// cutOffs are the cut-offs of the subjects of a batch.
type cutOffs map[cutOffKey]db.CutoffOfRow

// loadCutOffs returns the cut-offs that matter for a batch: of the subjects of its plan, and of the
// events after the first about a subject, one of which may have raised it. It runs one query, or
// none. It reads after the events, so that it sees each cut-off that an event of the batch raised.
func loadCutOffs(ctx context.Context, queries *db.Queries, batch []event.Event, p *plan) (cutOffs, error) {
	asked := map[string]bool{}
	for i := range batch {
		if e := &batch[i]; care.OrZero(e.SubjectVersion) > 1 {
			asked[e.Subject] = true
		}
	}
	for i := range p.notifications {
		if e := p.notifications[i].event; e.AboutVersion() > 0 {
			asked[e.Subject] = true
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	rows, err := queries.CutoffOf(ctx, slices.Collect(maps.Keys(asked)))
	if err != nil {
		return nil, fmt.Errorf("look up cut-offs: %w", err)
	}
	found := make(cutOffs, len(rows))
	for _, row := range rows {
		found[cutOffKey{row.Subject, row.RecipientID}] = row
	}
	return found, nil
}

// of returns the reason why messages about the event to the person are no longer true, or "".
func (c cutOffs) of(e *event.Event, recipient uuid.UUID) string {
	row, ok := c[cutOffKey{subject: e.Subject}]
	if !ok {
		row, ok = c[cutOffKey{e.Subject, recipient}]
	}
	if !ok {
		return ""
	}
	if version := e.AboutVersion(); version == 0 || version >= row.Version {
		return ""
	}
	return notify.CutOffPrefix + row.CauseType
}

// causes returns the events that raised one of the cut-offs for everybody.
func (c cutOffs) causes(batch []event.Event) (all []*event.Event) {
	if len(c) == 0 {
		return nil
	}
	for i := range batch {
		if row, ok := c[cutOffKey{subject: batch[i].Subject}]; ok && row.CauseEventID == batch[i].ID {
			all = append(all, &batch[i])
		}
	}
	return all
}

// cutOffBy cancels the messages of the plan that are no longer true. The notification stays in the
// inbox, as history, unless it was to come later.
func (p *plan) cutOffBy(cuts cutOffs) {
	if len(cuts) == 0 {
		return
	}
	for i := range p.notifications {
		n := &p.notifications[i]
		reason := cuts.of(n.event, n.recipient)
		if reason == "" {
			continue
		}
		if n.planKey != "" {
			n.cutOff = reason
		}
		n.dueAt = time.Time{}
		for _, it := range n.items {
			n.deliveries = append(n.deliveries, delivery{id: newID(), channel: it.channel, match: it.match})
		}
		n.items = nil
		for j := range n.deliveries {
			if d := &n.deliveries[j]; !d.suppressed {
				d.cancelled, d.reason, d.notBefore, d.overflow = true, reason, time.Time{}, nil
			}
		}
	}
}

// cancelled reports whether nothing is sent because it is no longer true.
func (n *notification) cancelled() bool {
	return !n.sends() && (n.cutOff != "" || slices.ContainsFunc(n.deliveries, func(d delivery) bool { return d.cancelled }))
}
