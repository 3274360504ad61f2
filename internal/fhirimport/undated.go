package fhirimport

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/postgres/db"
)

// dateAll dates the drafts whose resources have no date: by the start of their encounter, else by
// meta.lastUpdated. It refuses the others, except those that must not be left out: they are dated by
// the time of the import when they are stored.
func (r *run) dateAll(ctx context.Context, q *db.Queries, drafts []*candidate) ([]*candidate, error) {
	starts, err := encounterStarts(ctx, q, drafts)
	if err != nil {
		return nil, err
	}
	all := drafts[:0]
	for _, d := range drafts {
		if u := d.Undated; u != nil {
			start, found := starts[d.visitID]
			var instead string
			switch {
			case found:
				u.Set(ehr.At(start))
				instead = "the start of the encounter"
			case !u.LastUpdated.Start().IsZero():
				u.Set(u.LastUpdated)
				instead = "meta.lastUpdated"
			case u.Always:
				d.dateByImport = true
				instead = "the time of the import"
			default:
				r.refuse(d.Resource, fhir.NewError(u.Path, "is missing; add it, an encounter with a start, or meta.lastUpdated"))
				continue
			}
			d.Note(u.Path, "is missing: "+instead+" was used")
		}
		all = append(all, d)
	}
	return all, nil
}

// encounterStarts returns when the encounters of the undated drafts start, by appointment.
func encounterStarts(ctx context.Context, q *db.Queries, drafts []*candidate) (map[uuid.UUID]time.Time, error) {
	var ids []uuid.UUID
	for _, d := range drafts {
		if d.Undated != nil && d.visitID != uuid.Nil {
			ids = append(ids, d.visitID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := q.AppointmentStartList(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look up encounters: %w", err)
	}
	starts := map[uuid.UUID]time.Time{}
	for _, row := range rows {
		starts[row.ID] = row.StartsAt
	}
	return starts, nil
}
