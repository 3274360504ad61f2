package audit

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// MaxPeople is the largest number of people whose names one request may look up.
const MaxPeople = 100

// NamedPerson is the name behind an id. MergedInto is the person that this one turned out to be.
type NamedPerson struct {
	ID         uuid.UUID  `json:"id" format:"uuid"`
	Name       string     `json:"name" example:"Ada Byron"`
	Status     string     `json:"status" enum:"active,disabled,deceased" doc:"Whether the person may sign in."`
	MergedInto *uuid.UUID `json:"mergedInto,omitempty" format:"uuid" doc:"The person that this one turned out to be the same as."`
	Roles      []HeldRole `json:"roles" doc:"The current roles."`
}

// HeldRole is a current role of a person. Clinic and ClinicID are null for a platform role.
type HeldRole struct {
	Role     care.Role  `json:"role" enum:"patient,doctor,nurse,receptionist,admin,auditor,operator"`
	ClinicID *uuid.UUID `json:"clinicId" format:"uuid" nullable:"true"`
	Clinic   *string    `json:"clinic" nullable:"true" doc:"The clinic's name." example:"Demo Clinic"`
}

// ListPeople returns those of the people who exist, in the order of their ids: 1 to MaxPeople ids.
// The names are read only together with an audit.read that has the ids. Errors as for ListEvents.
func (r *Reader) ListPeople(ctx context.Context, cmd care.Command, ids []uuid.UUID) ([]NamedPerson, error) {
	if !mayRead(cmd.Actor) {
		return nil, r.deny(ctx, cmd, "")
	}
	if len(ids) < 1 || len(ids) > MaxPeople {
		return nil, care.InvalidField("ids", "must name 1 to %d people", MaxPeople)
	}
	var people []NamedPerson
	err := r.inTx(ctx, cmd, func(tx pgx.Tx, q *db.Queries) error {
		people = []NamedPerson{}
		rows, err := q.AuditPeople(ctx, ids)
		if err != nil {
			return fmt.Errorf("read people: %w", err)
		}
		shown := make([]uuid.UUID, len(rows))
		for i, row := range rows {
			p := NamedPerson{ID: row.ID, Name: row.Name, Status: row.Status, MergedInto: row.MergedInto}
			if err := json.Unmarshal(row.Roles, &p.Roles); err != nil {
				return fmt.Errorf("decode roles: %w", err)
			}
			people, shown[i] = append(people, p), row.ID
		}
		return outbox.Append(ctx, tx, readOf(cmd, event.AuditRead{
			Kind: "person", Filters: []string{"ids"}, Count: int64(len(shown)), UserIDs: shown,
		}))
	})
	if err != nil {
		return nil, err
	}
	return people, nil
}
