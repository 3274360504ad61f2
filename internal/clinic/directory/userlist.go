package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// ListUsers returns the people with a role at the clinics where the actor may see people, in the
// order of their ids, without contacts. A clinic that is not the actor's is care.Forbidden, which
// is audited. With a name, birth date or number it is a search in one clinic. Each page is audited
// as user.searched, once for each clinic with people on it.
func (s *Service) ListUsers(ctx context.Context, cmd care.Command, f UserFilter) (UserPage, error) {
	clinics := cmd.Actor.ClinicsFor(care.UserRead, care.SameClinic)
	if len(clinics) == 0 || (f.ClinicID != uuid.Nil && !slices.Contains(clinics, f.ClinicID)) {
		answer := care.Errorf(care.Forbidden, "only staff of the clinic may list its people")
		subject := care.Ref{Kind: "clinic", ID: f.ClinicID}
		return UserPage{}, s.writer.Audited(ctx, outbox.Deny(cmd, answer, care.UserRead, subject, nil, care.NonZero(f.ClinicID)))
	}
	after, err := f.check()
	if err != nil {
		return UserPage{}, err
	}
	if f.ClinicID != uuid.Nil {
		clinics = []uuid.UUID{f.ClinicID}
	}
	if f.searches() {
		if len(clinics) > 1 {
			return UserPage{}, care.InvalidField("clinicId", "is required, because you work at several clinics")
		}
		f.ClinicID = clinics[0]
		return s.search(ctx, cmd, f, after)
	}
	return s.list(ctx, cmd, f, clinics, after)
}

// list lists people of the clinics. The page is returned after its audit events have committed.
func (s *Service) list(ctx context.Context, cmd care.Command, f UserFilter, clinics []uuid.UUID, after uuid.UUID) (UserPage, error) {
	var page UserPage
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		page = UserPage{Items: []UserSummary{}}
		rows, err := db.New(tx).UserList(ctx, db.UserListParams{
			ClinicIds: clinics, Role: string(f.Role), After: after, RowLimit: int32(f.Limit) + 1,
		})
		if err != nil {
			return fmt.Errorf("list users: %w", err)
		}
		rows, page.Next = care.Paginate(rows, f.Limit, func(last db.UserListRow) string { return last.ID.String() })
		for _, row := range rows {
			held, err := memberships(row.Memberships)
			if err != nil {
				return err
			}
			page.Items = append(page.Items, UserSummary{
				ID: row.ID, GivenName: row.GivenName, FamilyName: row.FamilyName, Status: row.Status, DeceasedOn: dateText(row.DeceasedOn),
				Memberships: held,
			})
		}
		return outbox.Append(ctx, tx, listEvents(cmd, f, clinics, page.Items)...)
	})
	if err != nil {
		return UserPage{}, err
	}
	return page, nil
}

// listEvents returns the events that audit a page of people: one for each clinic with people on it.
// An empty page of one clinic is an event too.
func listEvents(cmd care.Command, f UserFilter, clinics []uuid.UUID, items []UserSummary) []event.Event {
	shown := map[uuid.UUID][]uuid.UUID{}
	for _, item := range items {
		for _, clinic := range clinicsOf(item.Memberships) {
			shown[clinic] = append(shown[clinic], item.ID)
		}
	}
	var events []event.Event
	for _, clinic := range clinics {
		if len(shown[clinic]) > 0 || len(clinics) == 1 {
			events = append(events, searched(cmd, f, clinic, shown[clinic]))
		}
	}
	return events
}

// searched returns the event that audits people of a clinic on a page.
func searched(cmd care.Command, f UserFilter, clinicID uuid.UUID, shown []uuid.UUID) event.Event {
	if shown == nil {
		shown = []uuid.UUID{}
	}
	return event.New(cmd, "user.searched", clinicRef(clinicID), event.UserSearch{
		ClinicID: clinicID, Filters: f.names(), UserIDs: shown,
	}).At(cmd, &clinicID)
}

func (f *UserFilter) searches() bool { return f.Name != "" || f.BirthDate != "" || f.Number != "" }

// search finds people of one clinic. The page is returned after its audit event has committed; the
// event does not contain the search terms.
func (s *Service) search(ctx context.Context, cmd care.Command, f UserFilter, after uuid.UUID) (UserPage, error) {
	var page UserPage
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		page = UserPage{Items: []UserSummary{}}
		rows, err := db.New(tx).UserSearch(ctx, db.UserSearchParams{
			ClinicID: f.ClinicID, Name: f.Name, BirthDate: dateOf(f.BirthDate), Number: f.Number, Role: string(f.Role), After: after,
			RowLimit: int32(f.Limit) + 1,
		})
		if err != nil {
			return fmt.Errorf("search users: %w", err)
		}
		rows, page.Next = care.Paginate(rows, f.Limit, func(last db.UserSearchRow) string { return last.ID.String() })
		shown := make([]uuid.UUID, len(rows))
		for i, row := range rows {
			held, err := memberships(row.Memberships)
			if err != nil {
				return err
			}
			shown[i] = row.ID
			page.Items = append(page.Items, UserSummary{
				ID: row.ID, GivenName: row.GivenName, FamilyName: row.FamilyName, Status: row.Status, DeceasedOn: dateText(row.DeceasedOn),
				BirthDate: dateText(row.BirthDate), MedicalRecordNumber: care.OrZero(row.Number), Memberships: held,
			})
		}
		return outbox.Append(ctx, tx, searched(cmd, f, f.ClinicID, shown))
	})
	if err != nil {
		return UserPage{}, err
	}
	return page, nil
}

// names returns the names of the filters in use, without their values.
func (f *UserFilter) names() []string {
	return event.FiltersInUse(
		event.Filter{Name: "name", Used: f.Name != ""},
		event.Filter{Name: "birthDate", Used: f.BirthDate != ""},
		event.Filter{Name: "number", Used: f.Number != ""},
		event.Filter{Name: "role", Used: f.Role != ""},
	)
}

func (f *UserFilter) check() (after uuid.UUID, err error) {
	var errs care.FieldErrors
	f.Limit = errs.PageLimit(f.Limit)
	if f.Role != "" && !slices.Contains(care.ClinicRoles, f.Role) {
		errs.Add("role", "must be one of %s", join(care.ClinicRoles))
	}
	if f.Name != "" {
		errs.Line("name", f.Name, 1, 200)
		if !strings.ContainsFunc(f.Name, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			errs.Add("name", "must contain a letter or a digit")
		}
	}
	if f.BirthDate != "" {
		day(&errs, "birthDate", f.BirthDate)
	}
	if f.Number != "" {
		errs.Line("number", f.Number, 1, 64)
	}
	after = errs.IDCursor(f.Cursor)
	return after, errs.Err()
}
