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
	// Inactive disables the account. An account that is disabled here stays so.
	Inactive bool
	// DeceasedOn is the day of death, or "". A death that was recorded or withdrawn here is kept as
	// it is.
	DeceasedOn string
	// UserInput has an empty Email for a person without an address. A person with an address that
	// is in use gets none as well.
	UserInput
}

// ImportClinicsTx imports clinics, new ones and those imported before. Only carewire's own import
// may call it. The result has nil or an error for each clinic.
func (s *Service) ImportClinicsTx(ctx context.Context, tx pgx.Tx, cmd care.Command, clinics []NewClinic) ([]error, error) {
	if !cmd.Actor.MayOnPlatform(care.ClinicCreate) {
		return nil, care.Errorf(care.Forbidden, "only the platform registers clinics")
	}
	itemErrs := make([]error, len(clinics))
	var p db.ClinicUpsertManyParams
	for i, c := range clinics {
		if itemErrs[i] = c.Validate(); itemErrs[i] != nil {
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
		if itemErrs[i] = u.validate(); itemErrs[i] != nil {
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
		p.Statuses, p.DeceasedOns = append(p.Statuses, u.Status), append(p.DeceasedOns, u.DeceasedOn)
		events = append(events, userEvent(cmd, "user.created", db.User{ID: u.ID, Version: 1}, nil, nil))
		if u.DeceasedOn != "" {
			events = append(events, userEvent(cmd, "user.deceased", db.User{ID: u.ID, Version: 1}, nil, []string{"deceasedOn"}))
		}
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
		if u.Inactive {
			u.Status = Disabled
		}
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
	disabled := u.Inactive && row.Status == Active
	if !disabled {
		u.Status = row.Status
	}
	u.WhatsApp = row.Whatsapp
	if u.Email == "" || row.EmailVerified {
		u.Email = care.OrZero(row.Email)
	}
	u.BirthDate, u.Sex = cmp.Or(u.BirthDate, dateText(row.BirthDate)), cmp.Or(u.Sex, care.OrZero(row.Sex))
	died, err := importDeath(ctx, q, cmd, u, &row)
	if err != nil {
		return nil, err
	}
	changed := u.changes(row)
	if len(changed) == 0 {
		return died, nil
	}
	row, err = q.UserUpdate(ctx, db.UserUpdateParams{
		ID: u.ID, Email: care.NonZero(u.Email), GivenName: u.GivenName, FamilyName: u.FamilyName, Phone: u.Phone, Whatsapp: u.WhatsApp,
		Locale: u.Locale, TimeZone: u.TimeZone, Status: u.Status, BirthDate: dateOf(u.BirthDate), Sex: care.NonZero(u.Sex),
	})
	if err != nil {
		return nil, fmt.Errorf("update user: %w", err)
	}
	events := append(died, userEvent(cmd, "user.updated", row, nil, changed))
	if disabled {
		ended, err := endSessions(ctx, q, cmd, u.ID, accountClosed)
		return append(events, ended...), err
	}
	return events, nil
}

// validate checks the person and the day of death.
func (u *ImportedUser) validate() error {
	if err := u.Validate(); err != nil || u.DeceasedOn == "" {
		return err
	}
	var errs care.FieldErrors
	day(&errs, "deceasedOn", u.DeceasedOn)
	if len(errs) == 0 && u.DeceasedOn < u.BirthDate {
		errs.Add("deceasedOn", "must not be before the birth date")
	}
	return errs.Err()
}

// importDeath records the death of a person who was imported before, unless one was recorded or
// withdrawn here.
func importDeath(ctx context.Context, q *db.Queries, cmd care.Command, u ImportedUser, row *db.User) ([]event.Event, error) {
	if u.DeceasedOn == "" || row.DeceasedOn.Valid {
		return nil, nil
	}
	known, err := q.DeathEverRecorded(ctx, u.ID)
	if err != nil {
		return nil, fmt.Errorf("look up deaths: %w", err)
	}
	if known {
		return nil, nil
	}
	if *row, err = q.UserDeceasedSet(ctx, db.UserDeceasedSetParams{ID: u.ID, DeceasedOn: dateOf(u.DeceasedOn)}); err != nil {
		return nil, fmt.Errorf("mark user as deceased: %w", err)
	}
	ended, err := endSessions(ctx, q, cmd, u.ID, accountClosed)
	return append([]event.Event{userEvent(cmd, "user.deceased", *row, nil, []string{"deceasedOn"})}, ended...), err
}

// ImportedRole is a role at a clinic in another system.
type ImportedRole struct {
	UserID, ClinicID uuid.UUID
	Role             care.Role
	// Former means that the person does not hold the role any more. A former role grants nothing,
	// and lets older records refer to the person.
	Former bool
}

// ImportRolesTx grants people roles at clinics, and appends their membership.granted. Only
// carewire's own import may call it. Existing roles are unchanged, also revoked ones: an import
// does not restore a role that was revoked here. It also completes the record of the deaths of
// patients, which needs a clinic.
func (s *Service) ImportRolesTx(ctx context.Context, tx pgx.Tx, cmd care.Command, roles []ImportedRole) error {
	if !cmd.Actor.MayOnPlatform(care.MembershipManage) {
		return care.Errorf(care.Forbidden, "only the platform imports roles")
	}
	var p db.MembershipGrantManyParams
	for _, r := range roles {
		if r.ClinicID == uuid.Nil || !slices.Contains(care.ClinicRoles, r.Role) {
			return care.Errorf(care.Invalid, "an imported role must have a clinic")
		}
		p.Ids, p.UserIds = append(p.Ids, uuid.Must(uuid.NewV7())), append(p.UserIds, r.UserID)
		p.ClinicIds, p.Roles, p.Formers = append(p.ClinicIds, r.ClinicID), append(p.Roles, string(r.Role)), append(p.Formers, r.Former)
	}
	if len(roles) == 0 {
		return nil
	}
	q := db.New(tx)
	rows, err := q.MembershipGrantMany(ctx, p)
	if err != nil {
		return fmt.Errorf("insert memberships: %w", err)
	}
	var events []event.Event
	deaths := db.DeathInsertManyParams{RecordedBy: cmd.Actor.ID}
	for _, m := range rows {
		if m.Role == string(care.Patient) && !slices.Contains(deaths.UserIds, m.UserID) {
			deaths.Ids, deaths.UserIds = append(deaths.Ids, uuid.Must(uuid.NewV7())), append(deaths.UserIds, m.UserID)
			deaths.ClinicIds = append(deaths.ClinicIds, *m.ClinicID)
		}
		if m.RevokedAt == nil {
			events = append(events, membershipEvent(cmd, "membership.granted", m.ID, m.UserID, m.ClinicID, care.Role(m.Role)).AtVersion(1))
		}
	}
	if len(deaths.Ids) > 0 {
		if _, err := q.DeathInsertMany(ctx, deaths); err != nil {
			return fmt.Errorf("insert deaths: %w", err)
		}
	}
	return outbox.Append(ctx, tx, events...)
}

// standInNamespace is the namespace of the ids of stand-in doctors (UUID version 5, RFC 9562).
var standInNamespace = uuid.MustParse("b1b7e2f4-6a0d-4b0b-9e7c-0c6c5b1f9d42")

// StandInID returns the id of a clinic's stand-in doctor.
func StandInID(clinicID uuid.UUID) uuid.UUID { return uuid.NewSHA1(standInNamespace, clinicID[:]) }

// ImportStandInsTx creates the stand-in doctors of the clinics unless they exist. A stand-in is
// responsible for the imported records of a clinic that name no doctor. It has the name of the
// clinic, a disabled account without an address, and a former role: it cannot sign in, is never
// notified, and cannot be booked. Only carewire's own import may call it.
func (s *Service) ImportStandInsTx(ctx context.Context, tx pgx.Tx, cmd care.Command, clinics []uuid.UUID) error {
	if !cmd.Actor.MayOnPlatform(care.UserCreate) {
		return care.Errorf(care.Forbidden, "only the platform imports people")
	}
	if len(clinics) == 0 {
		return nil
	}
	p := db.StandInInsertManyParams{ClinicIds: clinics, GivenName: "Imported by"}
	roles := make([]ImportedRole, len(clinics))
	for i, clinic := range clinics {
		p.Ids = append(p.Ids, StandInID(clinic))
		roles[i] = ImportedRole{UserID: p.Ids[i], ClinicID: clinic, Role: care.Doctor, Former: true}
	}
	ids, err := db.New(tx).StandInInsertMany(ctx, p)
	if err != nil {
		return fmt.Errorf("insert stand-ins: %w", err)
	}
	events := make([]event.Event, len(ids))
	for i, id := range ids {
		events[i] = userEvent(cmd, "user.created", db.User{ID: id, Version: 1}, nil, nil)
	}
	if err := outbox.Append(ctx, tx, events...); err != nil {
		return err
	}
	return s.ImportRolesTx(ctx, tx, cmd, roles)
}

// FindImportDoctor returns the id of the doctor with the email address or id, and the clinics where
// they are a doctor now. The error is care.Invalid of the field doctor if there is none, or not at
// the clinic, unless it is zero.
func (s *Service) FindImportDoctor(ctx context.Context, cmd care.Command, name string, clinicID uuid.UUID) (id uuid.UUID, clinics []uuid.UUID, err error) {
	if !cmd.Actor.MayOnPlatform(care.UserCreate) {
		return uuid.Nil, nil, care.Errorf(care.Forbidden, "only the platform imports people")
	}
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		if id, err = uuid.Parse(name); err != nil {
			rows, err := q.UserEmailTaken(ctx, []string{care.FoldEmail(name)})
			if err != nil {
				return reading("doctor", err)
			}
			if len(rows) == 1 {
				id = rows[0].ID
			}
		}
		clinics, err = q.DoctorClinics(ctx, id)
		return err
	})
	switch {
	case err != nil:
		return uuid.Nil, nil, reading("doctor", err)
	case len(clinics) == 0:
		return uuid.Nil, nil, care.InvalidField("doctor", "must be the email address or id of an active doctor")
	case clinicID != uuid.Nil && !slices.Contains(clinics, clinicID):
		return uuid.Nil, nil, care.InvalidField("doctor", "must be an active doctor of the clinic")
	}
	return id, clinics, nil
}
