package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// ImportedUser is the current state of a person in another system.
type ImportedUser struct {
	ID uuid.UUID
	// Known reports whether the person was imported before.
	Known bool
	// UserInput has an empty Email for a person without an address. A person with an address that
	// is in use gets none as well.
	UserInput
}

// ImportClinicsTx imports clinics, new ones and those imported before. Only carewire's own import
// may call it. The result has nil or an error for each clinic.
func (s *Service) ImportClinicsTx(ctx context.Context, tx pgx.Tx, cmd care.Command, clinics []Clinic) ([]error, error) {
	if !cmd.Actor.MayOnPlatform(care.ClinicCreate) {
		return nil, care.Errorf(care.Forbidden, "only the platform registers clinics")
	}
	itemErrs := make([]error, len(clinics))
	var p db.ClinicUpsertManyParams
	for i, c := range clinics {
		if itemErrs[i] = (ClinicInput{Name: c.Name, TimeZone: c.TimeZone}).Validate(); itemErrs[i] != nil {
			continue
		}
		p.Ids, p.Names, p.TimeZones = append(p.Ids, c.ID), append(p.Names, c.Name), append(p.TimeZones, c.TimeZone)
	}
	if err := db.New(tx).ClinicUpsertMany(ctx, p); err != nil {
		return nil, fmt.Errorf("insert clinics: %w", err)
	}
	return itemErrs, nil
}

// HasClinic reports whether the clinic exists.
func (s *Service) HasClinic(ctx context.Context, id uuid.UUID) (bool, error) {
	_, err := s.reads.ClinicGet(ctx, id)
	if notFound(err) {
		return false, nil
	}
	if err != nil {
		return false, reading("clinic", err)
	}
	return true, nil
}

// ImportUsersTx imports people, and appends their user.created and user.updated. Only carewire's
// own import may call it. The result has nil or an error for each person.
func (s *Service) ImportUsersTx(ctx context.Context, tx pgx.Tx, cmd care.Command, people []ImportedUser) ([]error, error) {
	if !cmd.Actor.MayOnPlatform(care.UserCreate) || !cmd.Actor.MayOnPlatform(care.UserUpdate) {
		return nil, care.Errorf(care.Forbidden, "only the platform imports people")
	}
	q := db.New(tx)
	if err := clearTakenAddresses(ctx, q, people); err != nil {
		return nil, err
	}
	itemErrs := make([]error, len(people))
	var p db.UserInsertManyParams
	var events []event.Event
	for i, u := range people {
		if itemErrs[i] = u.Validate(); itemErrs[i] != nil {
			continue
		}
		if u.Known {
			written, err := s.importUser(ctx, tx, cmd, u)
			if err != nil {
				return nil, err
			}
			events = append(events, written...)
			continue
		}
		phone := ""
		if u.Phone != nil {
			phone = *u.Phone
		}
		p.Ids, p.Emails, p.Phones = append(p.Ids, u.ID), append(p.Emails, u.Email), append(p.Phones, phone)
		p.GivenNames, p.FamilyNames = append(p.GivenNames, u.GivenName), append(p.FamilyNames, u.FamilyName)
		p.Locales, p.TimeZones = append(p.Locales, u.Locale), append(p.TimeZones, u.TimeZone)
		p.BirthDates, p.Sexes = append(p.BirthDates, u.BirthDate), append(p.Sexes, u.Sex)
		events = append(events, userEvent(cmd, "user.created", db.User{ID: u.ID, Version: 1}, nil, nil))
	}
	if err := q.UserInsertMany(ctx, p); err != nil {
		return nil, fmt.Errorf("insert users: %w", err)
	}
	return itemErrs, outbox.Append(ctx, tx, events...)
}

// clearTakenAddresses removes invalid addresses, and addresses that are in use.
func clearTakenAddresses(ctx context.Context, q *db.Queries, people []ImportedUser) error {
	var emails []string
	for i := range people {
		u := &people[i]
		u.Email = care.FoldEmail(u.Email)
		u.Locale, u.TimeZone, u.Status = cmp.Or(u.Locale, "en"), cmp.Or(u.TimeZone, "UTC"), cmp.Or(u.Status, Active)
		if was := u.Email; u.Validate() != nil {
			u.Email = ""
			if u.Validate() != nil {
				u.Email = was
			}
		}
		if u.Email != "" {
			emails = append(emails, u.Email)
		}
	}
	rows, err := q.UserEmailTaken(ctx, emails)
	if err != nil {
		return fmt.Errorf("look up addresses: %w", err)
	}
	owners := map[string][]uuid.UUID{}
	for _, row := range rows {
		owners[row.Email] = append(owners[row.Email], row.ID)
	}
	for i := range people {
		u := &people[i]
		if u.Email == "" {
			continue
		}
		if of := owners[u.Email]; len(of) > 0 && !slices.Contains(of, u.ID) {
			u.Email = ""
			continue
		}
		owners[u.Email] = append(owners[u.Email], u.ID)
	}
	return nil
}

// importUser updates a person who was imported before. It keeps data that was changed here since:
// the status, a WhatsApp number, an address, birth date or sex.
func (s *Service) importUser(ctx context.Context, tx pgx.Tx, cmd care.Command, u ImportedUser) ([]event.Event, error) {
	q := db.New(tx)
	row, err := q.UserLock(ctx, u.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, care.Errorf(care.NotFound, "the person who was imported before no longer exists")
	}
	if err != nil {
		return nil, fmt.Errorf("lock user: %w", err)
	}
	u.Status, u.WhatsApp = row.Status, row.Whatsapp
	if u.Email == "" || row.EmailVerified {
		u.Email = care.OrZero(row.Email)
	}
	u.BirthDate, u.Sex = cmp.Or(u.BirthDate, dateText(row.BirthDate)), cmp.Or(u.Sex, care.OrZero(row.Sex))
	changed := u.changes(row)
	if len(changed) == 0 {
		return nil, nil
	}
	row, err = q.UserUpdate(ctx, db.UserUpdateParams{
		ID: u.ID, Email: care.NonZero(u.Email), GivenName: u.GivenName, FamilyName: u.FamilyName, Phone: u.Phone, Whatsapp: u.WhatsApp,
		Locale: u.Locale, TimeZone: u.TimeZone, Status: u.Status, BirthDate: dateOf(u.BirthDate), Sex: care.NonZero(u.Sex),
	})
	if err != nil {
		return nil, fmt.Errorf("update user: %w", err)
	}
	return []event.Event{userEvent(cmd, "user.updated", row, nil, changed)}, nil
}

// ImportRolesTx grants people roles at clinics, and appends their membership.granted. Only
// carewire's own import may call it. Existing roles are unchanged.
func (s *Service) ImportRolesTx(ctx context.Context, tx pgx.Tx, cmd care.Command, roles []MembershipInput) error {
	if !cmd.Actor.MayOnPlatform(care.MembershipManage) {
		return care.Errorf(care.Forbidden, "only the platform imports roles")
	}
	var p db.MembershipGrantManyParams
	for _, r := range roles {
		if r.ClinicID == nil || !slices.Contains(care.ClinicRoles, r.Role) {
			return care.Errorf(care.Invalid, "an imported role must have a clinic")
		}
		p.Ids, p.UserIds = append(p.Ids, uuid.Must(uuid.NewV7())), append(p.UserIds, r.UserID)
		p.ClinicIds, p.Roles = append(p.ClinicIds, *r.ClinicID), append(p.Roles, string(r.Role))
	}
	if len(roles) == 0 {
		return nil
	}
	rows, err := db.New(tx).MembershipGrantMany(ctx, p)
	if err != nil {
		return fmt.Errorf("insert memberships: %w", err)
	}
	events := make([]event.Event, len(rows))
	for i, m := range rows {
		events[i] = membershipEvent(cmd, "membership.granted", m.ID, m.UserID, m.ClinicID, care.Role(m.Role)).AtVersion(1)
	}
	return outbox.Append(ctx, tx, events...)
}
