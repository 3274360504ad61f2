package directory

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

const (
	defaultLimit = 50
	maxLimit     = 200
)

// UserList gives the people with a role at the clinics where the actor may see people, in the order of their ids. It
// shows no contacts. A clinic that is not the actor's is care.Forbidden, audited.
func (s *Service) UserList(ctx context.Context, cmd care.Command, f UserFilter) (UserPage, error) {
	clinics := cmd.Actor.ClinicsFor(care.UserRead, care.SameClinic)
	if len(clinics) == 0 || (f.ClinicID != uuid.Nil && !slices.Contains(clinics, f.ClinicID)) {
		answer := care.Errorf(care.Forbidden, "people are listed for those who work at the clinic")
		subject := care.Ref{Kind: "clinic", ID: f.ClinicID}
		return UserPage{}, s.writer.Audited(ctx, outbox.Refuse(cmd, answer, care.UserRead, subject, nil, clinicOf(f.ClinicID)))
	}
	after, err := f.check()
	if err != nil {
		return UserPage{}, err
	}
	if f.ClinicID != uuid.Nil {
		clinics = []uuid.UUID{f.ClinicID}
	}
	var rows []db.UserListRow
	err = s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) (err error) {
		rows, err = db.New(tx).UserList(ctx, db.UserListParams{
			ClinicIds: clinics, Role: string(f.Role), After: after, RowLimit: int32(f.Limit) + 1,
		})
		return err
	})
	if err != nil {
		return UserPage{}, reading("users", err)
	}
	page := UserPage{Items: []UserSummary{}}
	if len(rows) > f.Limit {
		rows = rows[:f.Limit]
		page.Next = rows[f.Limit-1].ID.String()
	}
	for _, row := range rows {
		held, err := memberships(row.Memberships)
		if err != nil {
			return UserPage{}, err
		}
		page.Items = append(page.Items, UserSummary{
			ID: row.ID, GivenName: row.GivenName, FamilyName: row.FamilyName, Status: row.Status, Memberships: held,
		})
	}
	return page, nil
}

func (f *UserFilter) check() (after uuid.UUID, err error) {
	var p care.Problems
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	if f.Limit < 1 || f.Limit > maxLimit {
		p.Add("limit", "must be 1 to %d", maxLimit)
	}
	if f.Role != "" && !slices.Contains(care.ClinicRoles, f.Role) {
		p.Add("role", "must be one of %s", join(care.ClinicRoles))
	}
	if f.Cursor != "" {
		if after, err = uuid.Parse(f.Cursor); err != nil {
			p.Add("cursor", "must be the next of the page before")
		}
	}
	return after, p.Err()
}
