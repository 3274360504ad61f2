package dispatch

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// lookUp asks the directory once for the whole batch. Holders of a role come in the order of their ids.
func lookUp(ctx context.Context, queries *db.Queries, all []matched) (*rule.People, error) {
	var ask db.PlanningDirectoryParams
	users, posts := map[uuid.UUID]bool{}, map[rule.Post]bool{}
	for _, m := range all {
		for _, match := range m.matches {
			for _, r := range match.Recipients {
				if r.Role != "" && m.event.ClinicID != nil {
					if post := rule.PostOf(*m.event.ClinicID, r.Role); !posts[post] {
						posts[post] = true
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
	found := &rule.People{ByID: map[uuid.UUID]*rule.Person{}, Holders: map[rule.Post][]uuid.UUID{}}
	if len(users)+len(posts) == 0 {
		return found, nil
	}
	rows, err := queries.PlanningDirectory(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("look up recipients: %w", err)
	}
	for _, row := range rows {
		found.ByID[row.ID] = &rule.Person{
			Active: row.Active, Deceased: row.Deceased, HasNoEmail: row.Email == "none", EmailVerified: row.Email == "verified", HasPhone: row.Sms != "none", PhoneVerified: row.Sms == "verified",
			HasWhatsApp: row.Whatsapp != "none", WhatsAppVerified: row.Whatsapp == "verified", HasDevice: row.Push != "none", Off: row.Off,
		}
		for _, post := range row.Named { // The query names posts as rule.PostOf does.
			found.Holders[rule.Post(post)] = append(found.Holders[rule.Post(post)], row.ID)
		}
	}
	return found, nil
}
