package directory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// CreateUser registers a person with roles at a clinic that the actor administers, or as a patient
// if the actor may register patients. The person receives a welcome message with an invitation,
// which their first sign-in accepts. An address that is in use at the clinic is care.Conflict on
// the field email. An address that is known at other clinics is treated as an unknown one: once the
// invitation is accepted, the registered person is merged into the known person (AcceptInvitation).
// A patient who may already be registered at the clinic is care.PossibleDuplicate, unless the input
// allows it. A patient without an address receives no invitation.
func (s *Service) CreateUser(ctx context.Context, cmd care.Command, in NewUser) (User, error) {
	in.Email, in.Phone, in.WhatsApp = care.FoldEmail(in.Email), normalPhone(in.Phone), normalPhone(in.WhatsApp)
	in.Locale, in.TimeZone = cmp.Or(in.Locale, "en"), cmp.Or(in.TimeZone, "UTC")
	var created User
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		if err := mayCreate(cmd, in); err != nil {
			return err
		}
		if in.ID == uuid.Nil {
			in.ID = uuid.Must(uuid.NewV7())
		}
		q := db.New(tx)
		duplicates, err := checkNewAtClinic(ctx, q, cmd, in)
		if err != nil {
			return err
		}
		err = q.UserInsert(ctx, db.UserInsertParams{
			ID: in.ID, Email: care.NonZero(in.Email), EmailVerified: in.EmailVerified, GivenName: in.GivenName, FamilyName: in.FamilyName,
			Phone: in.Phone, PhoneVerified: in.PhoneVerified, Whatsapp: in.WhatsApp, WhatsappVerified: in.WhatsAppVerified,
			Locale: in.Locale, TimeZone: in.TimeZone, BirthDate: dateOf(in.BirthDate), Sex: care.NonZero(in.Sex),
		})
		if err != nil {
			return fmt.Errorf("insert user: %w", err)
		}
		clinicID := care.NonZero(in.ClinicID)
		granted, held, err := in.grant(ctx, q, cmd)
		if err != nil {
			return err
		}
		row, err := q.UserGet(ctx, in.ID)
		if err != nil {
			return fmt.Errorf("read user: %w", err)
		}
		created = userFrom(row, held)
		if created.MedicalRecordNumbers, err = in.number(ctx, q); err != nil {
			return err
		}
		if clinicID != nil && !cmd.Imported && in.Email != "" {
			// The link in the welcome message accepts this invitation.
			if _, err := insertInvitation(ctx, q, cmd, in.ClinicID, &in.ID, nil); err != nil {
				return err
			}
		}
		e := event.New(cmd, "user.created", userRef(row.ID), event.User{UserID: row.ID, DuplicateIDs: duplicates})
		return outbox.Append(ctx, tx, append([]event.Event{e.About(cmd, row.ID, clinicID).AtVersion(row.Version)}, granted...)...)
	})
	if err != nil {
		return User{}, err
	}
	return created, nil
}

// grant grants the roles of a new person.
func (in NewUser) grant(ctx context.Context, q *db.Queries, cmd care.Command) ([]event.Event, []care.Membership, error) {
	granted, held, err := grant(ctx, q, cmd, in.ID, care.NonZero(in.ClinicID), in.Roles)
	if err != nil {
		return nil, nil, err
	}
	onPlatform, also, err := grant(ctx, q, cmd, in.ID, nil, in.PlatformRoles)
	if err != nil {
		return nil, nil, err
	}
	return append(granted, onPlatform...), append(held, also...), nil
}

// mayCreate checks the right before the input, so that an actor without the right learns nothing
// from the validation.
func mayCreate(cmd care.Command, in NewUser) error {
	platform := cmd.Actor.MayOnPlatform(care.UserCreate)
	if !platform && !mayGrant(cmd.Actor, in.ClinicID, care.UserCreate, in.Roles...) {
		answer := care.Errorf(care.Forbidden, "only administrators of the clinic may register people, and receptionists patients")
		return outbox.Deny(cmd, answer, care.UserCreate, care.Ref{Kind: "clinic", ID: in.ClinicID}, nil, care.NonZero(in.ClinicID))
	}
	if len(in.Roles) == 0 && in.ClinicID != uuid.Nil {
		return care.InvalidField("roles", "must name at least one role")
	}
	if in.ClinicID == uuid.Nil && len(in.Roles) > 0 {
		return care.InvalidField("clinicId", "must name the clinic of the roles")
	}
	if len(in.PlatformRoles) > 0 && !cmd.Actor.MayOnPlatform(care.MembershipManage) {
		return care.InvalidField("roles", "must be roles at a clinic")
	}
	return in.Validate()
}

// checkEmailFree returns an error if another person at one of the clinics has the address. It does
// not check other clinics.
func checkEmailFree(ctx context.Context, q *db.Queries, email string, id uuid.UUID, clinics []uuid.UUID) error {
	known, err := q.EmailKnownAt(ctx, db.EmailKnownAtParams{Emails: care.EmailSpellings(email), ID: id, ClinicIds: clinics})
	if err != nil {
		return fmt.Errorf("look up address: %w", err)
	}
	if known {
		return conflict("email", "another person at your clinic is registered with this email address: grant that person a role (POST /api/clinics/ID/members)")
	}
	return nil
}

// GetUser returns a person's details to actors who may see them at one of the person's clinics, and
// to the person themselves. A read by others is audited as record.read of "user/<id>".
func (s *Service) GetUser(ctx context.Context, cmd care.Command, id uuid.UUID) (User, error) {
	var user User
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.UserGet(ctx, id)
		if notFound(err) {
			return denyUser(cmd, care.UserRead, id, nil)
		}
		if err != nil {
			return fmt.Errorf("read user: %w", err)
		}
		held, err := heldBy(ctx, q, id)
		if err != nil {
			return err
		}
		numbers, err := numbersOf(ctx, q, id)
		if err != nil {
			return err
		}
		if id == cmd.Actor.UserID && cmd.Actor.MayOwn(care.UserRead) {
			user = userFrom(row, held)
			user.MedicalRecordNumbers = numbers
			return nil
		}
		seen := visible(cmd.Actor, care.UserRead, held)
		if len(seen) == 0 {
			return denyUser(cmd, care.UserRead, id, &id)
		}
		user = userFrom(row, seen)
		user.MedicalRecordNumbers = numbersAt(numbers, clinicsOf(seen))
		read := event.New(cmd, "record.read", userRef(id), event.RecordRead{
			UserID: id, ClinicID: seen[0].ClinicID, Action: "read", Version: row.Version,
		}).About(cmd, id, seen[0].ClinicID)
		return outbox.Append(ctx, tx, read)
	})
	if err != nil {
		return User{}, err
	}
	return user, nil
}

// UpdateUser replaces a person's details if ifMatch is the current version, and otherwise returns
// care.PreconditionFailed. If nothing changes, there is no new version and no event. An
// administrator may update people with a role at their clinic; a change of how the person signs in
// requires that they administer every clinic where the person holds a role. A receptionist may
// update people who are only patients there, except their address and status. An actor who may read
// the person but not change them gets care.Forbidden.
func (s *Service) UpdateUser(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, in UserInput) (User, error) {
	in.Email, in.Phone, in.WhatsApp = care.FoldEmail(in.Email), normalPhone(in.Phone), normalPhone(in.WhatsApp)
	var user User
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.UserLock(ctx, id)
		if notFound(err) {
			return denyUser(cmd, care.UserUpdate, id, nil)
		}
		if err != nil {
			return fmt.Errorf("lock user: %w", err)
		}
		held, err := heldBy(ctx, q, id)
		if err != nil {
			return err
		}
		seen, administers, err := updatable(cmd, id, held)
		if err != nil {
			return err
		}
		if err := checkVersion("the person", row.Version, ifMatch); err != nil {
			return err
		}
		had, err := numbersOf(ctx, q, id)
		if err != nil {
			return err
		}
		had = numbersAt(had, clinicsOf(seen))
		changed, err := checkChange(ctx, q, cmd, row, &in, had, seen, administers)
		if err != nil {
			return err
		}
		if len(changed) == 0 {
			user = userFrom(row, seen)
			user.MedicalRecordNumbers = had
			return nil
		}
		if err := replaceNumbers(ctx, q, id, had, in.MedicalRecordNumbers); err != nil {
			return err
		}
		row, err = s.replace(ctx, tx, cmd, row, in, changed, seen)
		user = userFrom(row, seen)
		user.MedicalRecordNumbers = in.MedicalRecordNumbers
		return err
	})
	if err != nil {
		return User{}, err
	}
	return user, nil
}

// checkChange returns the names of the fields of the person that the input changes. It returns an
// error for changes that are invalid, or that the actor may not make. had are the person's numbers
// at the clinics where the actor may change them.
func checkChange(ctx context.Context, q *db.Queries, cmd care.Command, row db.User, in *UserInput, had []MedicalRecordNumber, seen []care.Membership, administers bool) ([]string, error) {
	if care.SameEmail(in.Email, care.OrZero(row.Email)) {
		in.Email = care.OrZero(row.Email) // Older rows may have another spelling.
	}
	changed := in.changes(row)
	if !sameNumbers(in.MedicalRecordNumbers, had) {
		changed = append(changed, numbersField)
	}
	if err := in.validateChanged(changed, seen); err != nil || len(changed) == 0 {
		return nil, err
	}
	if err := mayChange(ctx, q, cmd, row, changed, seen, administers); err != nil {
		return nil, err
	}
	if slices.Contains(changed, "email") && in.Email != "" {
		if err := checkEmailFree(ctx, q, in.Email, row.ID, clinicsOf(seen)); err != nil {
			return nil, err
		}
	}
	return changed, nil
}

// updatable returns the memberships at the clinics where the actor may change the person's details,
// and whether the actor is an administrator there.
func updatable(cmd care.Command, id uuid.UUID, held []care.Membership) (seen []care.Membership, administers bool, err error) {
	if seen = visible(cmd.Actor, care.UserUpdate, held); len(seen) > 0 {
		return seen, true, nil
	}
	seen = visible(cmd.Actor, care.PatientUpdate, held)
	staff := slices.ContainsFunc(seen, func(m care.Membership) bool { return isStaff(m.Role) })
	if len(seen) > 0 && !staff {
		return seen, false, nil
	}
	known := visible(cmd.Actor, care.UserRead, held)
	own := id == cmd.Actor.UserID && cmd.Actor.MayOwn(care.UserRead)
	if len(known) == 0 && !own {
		return nil, false, denyUser(cmd, care.UserUpdate, id, &id)
	}
	words := "only administrators of the clinic may change people's details, and receptionists those of patients who do not work there"
	if own {
		words = "only your clinic may change these details; use PUT /api/me to change your phone, WhatsApp number, locale and time zone"
	}
	var clinicID *uuid.UUID
	if len(known) > 0 {
		clinicID = known[0].ClinicID
	}
	return nil, false, outbox.Deny(cmd, care.Errorf(care.Forbidden, "%s", words), care.UserUpdate, userRef(id), &id, clinicID)
}

// replace writes the changes, and ends sessions and messages that they invalidate. seen are the
// memberships at the clinics where the actor may change the person; it is empty for their own
// account.
func (s *Service) replace(ctx context.Context, tx pgx.Tx, cmd care.Command, old db.User, in UserInput, changed []string, seen []care.Membership) (db.User, error) {
	q := db.New(tx)
	row, err := q.UserUpdate(ctx, db.UserUpdateParams{
		ID: old.ID, Email: care.NonZero(in.Email), GivenName: in.GivenName, FamilyName: in.FamilyName, Phone: in.Phone, Whatsapp: in.WhatsApp,
		Locale: in.Locale, TimeZone: in.TimeZone, Status: in.Status, BirthDate: dateOf(in.BirthDate), Sex: care.NonZero(in.Sex),
	})
	if err != nil {
		return old, fmt.Errorf("update user: %w", err)
	}
	if err := withdraw(ctx, q, row.ID, changed); err != nil {
		return old, err
	}
	// One version is one event, so the event of a disabling also lists the other changes.
	typ := "user.updated"
	var ended []event.Event
	if old.Status == Active && row.Status == Disabled {
		typ = "user.disabled"
		if ended, err = endSessions(ctx, q, cmd, row.ID, accountDisabled); err != nil {
			return old, err
		}
		behind, err := departureEvents(ctx, q, cmd, row.ID, seen...)
		if err != nil {
			return old, err
		}
		ended = append(ended, behind...)
	}
	var clinicID *uuid.UUID
	if len(seen) > 0 {
		clinicID = seen[0].ClinicID
	}
	chosen, err := zoneAndLocaleEvents(ctx, q, cmd, old, row, changed)
	if err != nil {
		return old, err
	}
	events := append([]event.Event{userEvent(cmd, typ, row, clinicID, changed)}, chosen...)
	return row, outbox.Append(ctx, tx, append(events, ended...)...)
}

// withdraw invalidates codes and invitations that were sent to changed addresses.
func withdraw(ctx context.Context, q *db.Queries, id uuid.UUID, changed []string) error {
	var channels []string
	for field, channel := range map[string]string{"email": "email", "phone": "sms", "whatsApp": "whatsapp"} {
		if slices.Contains(changed, field) {
			channels = append(channels, channel)
		}
	}
	if len(channels) == 0 {
		return nil
	}
	if err := q.ContactsWithdraw(ctx, db.ContactsWithdrawParams{UserID: id, Channels: channels}); err != nil {
		return fmt.Errorf("withdraw codes and invitations: %w", err)
	}
	return nil
}

func checkVersion(what string, version, ifMatch int64) error {
	return care.MatchVersion(what, "replace", ifMatch, version)
}

// mayChange prevents the administrator of one clinic from taking over a person shared with other
// clinics, or locking them out there. It also prevents receptionists from changing how people sign
// in.
func mayChange(ctx context.Context, q *db.Queries, cmd care.Command, row db.User, changed []string, seen []care.Membership, administers bool) error {
	if row.ID == cmd.Actor.UserID && slices.Contains(changed, "status") {
		return care.InvalidField("status", "is your own: only another administrator may change it")
	}
	everywhere, err := q.MembershipsHeld(ctx, row.ID)
	if err != nil {
		return fmt.Errorf("count memberships: %w", err)
	}
	for _, field := range []string{"email", "status"} {
		if !slices.Contains(changed, field) || (administers && len(seen) >= int(everywhere)) {
			continue
		}
		answer := care.Errorf(care.Forbidden, "only administrators may change the %s of a person: ask one of your clinic", field)
		if administers {
			answer = care.Errorf(care.Forbidden, "one clinic cannot change the %s of this person, because they have a role elsewhere: ask the platform's operator", field)
		}
		answer.Fields = []care.FieldError{{Field: field, Message: "cannot be changed by this clinic alone"}}
		if !administers {
			answer.Fields[0].Message = "may only be changed by an administrator"
		}
		return outbox.Deny(cmd, answer, care.UserUpdate, userRef(row.ID), &row.ID, seen[0].ClinicID)
	}
	return nil
}

// changes returns the JSON names of the fields in which the input differs from the stored row.
func (u UserInput) changes(row db.User) []string {
	var changed []string
	for _, f := range []struct {
		name string
		same bool
	}{
		{"email", u.Email == care.OrZero(row.Email)},
		{"givenName", u.GivenName == row.GivenName},
		{"familyName", u.FamilyName == row.FamilyName},
		{"phone", care.EqualPtr(u.Phone, row.Phone)},
		{"whatsApp", care.EqualPtr(u.WhatsApp, row.Whatsapp)},
		{"locale", u.Locale == row.Locale},
		{"timeZone", u.TimeZone == row.TimeZone},
		{"birthDate", u.BirthDate == dateText(row.BirthDate)},
		{"sex", u.Sex == care.OrZero(row.Sex)},
		{"status", u.Status == row.Status},
	} {
		if !f.same {
			changed = append(changed, f.name)
		}
	}
	return changed
}

func userRef(id uuid.UUID) care.Ref { return care.Ref{Kind: "user", ID: id} }

func denyUser(cmd care.Command, action care.Action, id uuid.UUID, personID *uuid.UUID) *outbox.DeniedError {
	return outbox.Deny(cmd, care.Errorf(care.NotFound, "person not found, or not at your clinic"), action, userRef(id), personID, nil)
}

func userEvent(cmd care.Command, typ string, row db.User, clinicID *uuid.UUID, changed []string) event.Event {
	return event.New(cmd, typ, userRef(row.ID), event.User{UserID: row.ID, Changed: changed}).About(cmd, row.ID, clinicID).AtVersion(row.Version)
}

func userFrom(u db.User, held []care.Membership) User {
	return User{
		ID: u.ID, Version: u.Version, Email: care.OrZero(u.Email), GivenName: u.GivenName, FamilyName: u.FamilyName, Phone: u.Phone, WhatsApp: u.Whatsapp,
		Locale: u.Locale, TimeZone: u.TimeZone, BirthDate: dateText(u.BirthDate), Sex: care.OrZero(u.Sex), Status: u.Status, DeceasedOn: dateText(u.DeceasedOn),
		Memberships: held, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}
}

// visible returns the memberships at clinics where the actor may do the action.
func visible(actor care.Actor, action care.Action, held []care.Membership) []care.Membership {
	clinics := actor.ClinicsFor(action, care.SameClinic)
	return slices.DeleteFunc(slices.Clone(held), func(m care.Membership) bool {
		return m.ClinicID == nil || !slices.Contains(clinics, *m.ClinicID)
	})
}

// clinicsOf returns the clinics of memberships at clinics.
func clinicsOf(held []care.Membership) []uuid.UUID {
	clinics := make([]uuid.UUID, len(held))
	for i, m := range held {
		clinics[i] = *m.ClinicID
	}
	return clinics
}
