package operator

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/audit"
	"carewire/internal/care"
)

// AuditFilter selects events of the audit trail.
type AuditFilter = audit.Filter

// AuditEntry is an event of the audit trail with its client.
type AuditEntry = audit.Entry

// ListAudit returns events of the audit trail, oldest first, at most limit of all pages. Each page
// is audited with the command's actor. Its errors are those of audit.Reader.ListEvents.
func (o *Operator) ListAudit(ctx context.Context, cmd care.Command, f AuditFilter, limit int) (all []AuditEntry, err error) {
	err = o.read(ctx, func(pool *pgxpool.Pool) error {
		reader := audit.New(pool)
		all = []AuditEntry{}
		for {
			f.Limit = min(limit-len(all), audit.MaxLimit)
			page, err := reader.ListEvents(ctx, cmd, f)
			if err != nil {
				return err
			}
			all = append(all, page.Items...)
			if f.After = page.Next; page.Next == "" || len(all) >= limit {
				return nil
			}
		}
	})
	return all, err
}

// ListAuditNames returns the names of the people who act or are concerned in the entries, by id. The
// look-up is audited.
func (o *Operator) ListAuditNames(ctx context.Context, cmd care.Command, entries []AuditEntry) (map[uuid.UUID]string, error) {
	var ids []uuid.UUID
	for _, e := range entries {
		if actor, err := uuid.Parse(e.ActorID); err == nil {
			ids = append(ids, actor)
		}
		if e.PersonID != nil {
			ids = append(ids, *e.PersonID)
		}
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	names := map[uuid.UUID]string{}
	err := o.read(ctx, func(pool *pgxpool.Pool) error {
		reader := audit.New(pool)
		for some := range slices.Chunk(slices.Compact(ids), audit.MaxPeople) {
			people, err := reader.ListPeople(ctx, cmd, some)
			if err != nil {
				return err
			}
			for _, p := range people {
				names[p.ID] = p.Name
			}
		}
		return nil
	})
	return names, err
}
