package dispatch

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// people is what the directory said about everybody whom a batch may tell.
type people struct {
	byID    map[uuid.UUID]*db.PlanningDirectoryRow
	holders map[string][]uuid.UUID // By clinic/role, in the order of their ids.
}

// post names a role at a clinic, as the query does.
func post(clinicID uuid.UUID, role care.Role) string { return clinicID.String() + "/" + string(role) }

// lookUp asks the directory once for the whole batch.
func lookUp(ctx context.Context, queries *db.Queries, all []matched) (*people, error) {
	var ask db.PlanningDirectoryParams
	users, posts := map[uuid.UUID]bool{}, map[string]bool{}
	for _, m := range all {
		for _, match := range m.matches {
			for _, r := range match.Recipients {
				if r.Role != "" && m.event.ClinicID != nil {
					if key := post(*m.event.ClinicID, r.Role); !posts[key] {
						posts[key] = true
						ask.ClinicIds = append(ask.ClinicIds, *m.event.ClinicID)
						ask.Roles = append(ask.Roles, string(r.Role))
					}
				} else if r.UserID != uuid.Nil && !users[r.UserID] {
					users[r.UserID] = true
					ask.UserIds = append(ask.UserIds, r.UserID)
				}
			}
		}
	}
	found := &people{byID: map[uuid.UUID]*db.PlanningDirectoryRow{}, holders: map[string][]uuid.UUID{}}
	if len(users)+len(posts) == 0 {
		return found, nil
	}
	rows, err := queries.PlanningDirectory(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("look up recipients: %w", err)
	}
	for i := range rows {
		found.byID[rows[i].ID] = &rows[i]
		for _, key := range rows[i].Named {
			found.holders[key] = append(found.holders[key], rows[i].ID)
		}
	}
	return found, nil
}
