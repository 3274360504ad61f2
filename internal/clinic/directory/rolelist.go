package directory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// RoleGrant is a role of a person, as shown on the command line.
type RoleGrant struct {
	ID         uuid.UUID  `json:"id"`
	UserID     uuid.UUID  `json:"userId"`
	Email      string     `json:"email,omitempty"`
	GivenName  string     `json:"givenName"`
	FamilyName string     `json:"familyName"`
	ClinicID   *uuid.UUID `json:"clinicId"`
	Role       care.Role  `json:"role"`
	GrantedAt  time.Time  `json:"grantedAt"`
}

// RolePage is one page of a list.
type RolePage care.Page[RoleGrant]

// ListRoles returns the roles at clinics other than patient, and those on the platform, in the order
// of the people's ids. The read is audited as account.listed.
func (s *Service) ListRoles(ctx context.Context, cmd care.Command, f AccountFilter) (RolePage, error) {
	page := RolePage{Items: []RoleGrant{}}
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		after, err := f.check(cmd)
		if err != nil {
			return err
		}
		q := db.New(tx)
		p := db.StaffRoleListParams{
			Role: string(f.Role), ClinicID: care.NonZero(f.ClinicID), UserID: care.NonZero(f.UserID), After: after, RowLimit: int32(f.Limit) + 1,
		}
		if p.AfterUser, err = userBefore(ctx, q, after); err != nil {
			return err
		}
		rows, err := q.StaffRoleList(ctx, p)
		if err != nil {
			return fmt.Errorf("list roles: %w", err)
		}
		rows, page.Next = care.Paginate(rows, f.Limit, func(last db.StaffRoleListRow) string { return last.ID.String() })
		shown := []uuid.UUID{}
		for _, r := range rows {
			page.Items = append(page.Items, RoleGrant{
				ID: r.ID, UserID: r.UserID, Email: care.OrZero(r.Email), GivenName: r.GivenName, FamilyName: r.FamilyName,
				ClinicID: r.ClinicID, Role: care.Role(r.Role), GrantedAt: r.GrantedAt.UTC(),
			})
			if !slices.Contains(shown, r.UserID) {
				shown = append(shown, r.UserID)
			}
		}
		return outbox.Append(ctx, tx, f.listed(cmd, shown))
	})
	return page, err
}

// userBefore returns the person who holds or held the role, which is the last one of a page; the
// zero id for the zero id. An unknown role is an invalid cursor.
func userBefore(ctx context.Context, q *db.Queries, role uuid.UUID) (uuid.UUID, error) {
	if role == uuid.Nil {
		return uuid.Nil, nil
	}
	user, err := q.MembershipUser(ctx, role)
	if notFound(err) {
		return uuid.Nil, care.InvalidCursor()
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("read role: %w", err)
	}
	return user, nil
}
