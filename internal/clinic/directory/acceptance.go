package directory

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// AcceptInvitation links the sign-in to the invited person, verifies that person's address, and
// grants the roles of the invitation. A patient may sign in with any address. For staff roles, the
// sign-in must have the verified address that the invitation was sent to.
//
// If the address belongs to a person known elsewhere, who has verified it or signs in themselves,
// the invited person is merged into the known one: the roles and records of the invited person move
// to the known person. The result is the id of the known person.
//
// Accepting again changes nothing. The error is care.NotFound for an unknown token, care.Conflict
// for an expired one and for a sign-in of another person, and care.Forbidden for a sign-in without
// the required address and for roles that the person would grant to themselves.
func (s *Service) AcceptInvitation(ctx context.Context, cmd care.Command, identity Identity, token string) (uuid.UUID, error) {
	var person uuid.UUID
	// The caller is not signed in yet.
	cmd.Actor = care.SystemActor("sign-in")
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.InvitationByToken(ctx, digestOf(token))
		if notFound(err) {
			return care.Errorf(care.NotFound, "invitation not found, or the address that it was sent to has changed: ask the clinic for a new one")
		}
		if err != nil {
			return fmt.Errorf("read invitation: %w", err)
		}
		a := acceptance{q: q, cmd: cmd, identity: identity, invitation: row}
		if err := a.lockPeople(ctx); err != nil {
			return err
		}
		person = a.person.ID
		open, err := a.check(ctx)
		if err != nil || !open {
			return err
		}
		events, err := a.accept(ctx)
		if err != nil {
			return err
		}
		return outbox.Append(ctx, tx, events...)
	})
	return person, err
}

// acceptance is one sign-in that follows the link of an invitation.
type acceptance struct {
	q          *db.Queries
	cmd        care.Command
	identity   Identity
	invitation db.InvitationByTokenRow
	// invited is the person that the invitation was sent to, person the one who accepts it. They
	// are the same row or two rows of the same person.
	invited, person db.User
	// known reports whether the sign-in is already linked to person.
	known bool
	// held are the roles of invited.
	held []care.Membership
}

func (a *acceptance) merges() bool { return a.person.ID != a.invited.ID }

// lockPeople finds and locks the invited and the accepting person.
func (a *acceptance) lockPeople(ctx context.Context) (err error) {
	if a.invited, err = a.lock(ctx, *a.invitation.UserID); err != nil {
		return err
	}
	if a.invited.MergedInto != nil { // An earlier invitation has merged them into another person.
		if a.invited, err = a.lock(ctx, *a.invited.MergedInto); err != nil {
			return err
		}
	}
	a.person = a.invited
	if a.held, err = heldBy(ctx, a.q, a.invited.ID); err != nil {
		return err
	}
	linked, err := a.q.IdentityGet(ctx, db.IdentityGetParams{Issuer: a.identity.Issuer, Subject: a.identity.Subject})
	if err != nil && !notFound(err) {
		return fmt.Errorf("read identity: %w", err)
	}
	a.known = err == nil
	if !a.known {
		if a.invited.Email == nil { // The address was removed since.
			return nil
		}
		linked, err = a.q.EmailHolder(ctx, db.EmailHolderParams{Emails: care.EmailSpellings(*a.invited.Email), ID: a.invited.ID})
		if notFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look for who has the address: %w", err)
		}
	}
	if linked != a.invited.ID {
		a.person, err = a.lock(ctx, linked)
	}
	return err
}

func (a *acceptance) lock(ctx context.Context, id uuid.UUID) (db.User, error) {
	u, err := a.q.UserLock(ctx, id)
	if err != nil {
		return u, fmt.Errorf("lock user: %w", err)
	}
	return u, nil
}

// check returns an error if this sign-in cannot accept the invitation. open reports whether it is
// still unaccepted.
func (a *acceptance) check(ctx context.Context) (open bool, err error) {
	over := a.invitation.AcceptedAt != nil
	switch {
	case a.known && a.merges() && !sameAddress(a.person, a.invited):
		return false, care.Errorf(care.Conflict, "you are signed in as another person than the invited one: sign in as the invited person")
	case a.person.DeceasedOn.Valid || a.invited.DeceasedOn.Valid:
		return false, care.Errorf(care.Forbidden, "this account is closed: ask the clinic if that is a mistake")
	case a.person.Status != Active || a.invited.Status != Active:
		return false, care.Errorf(care.Forbidden, "this account is disabled: ask your clinic's administrator")
	case over && a.known && !a.merges():
		return false, nil
	case over:
		return false, care.Errorf(care.Conflict, "the invitation has already been accepted: sign in with the account that accepted it")
	case a.invitation.Expired:
		return false, care.Errorf(care.Conflict, "the invitation has expired: ask the clinic for a new one")
	case a.merges() && !a.known && !a.proves():
		return false, care.Errorf(care.Conflict, "the address that the invitation was sent to belongs to an account: sign in with that account")
	}
	if err := a.checkRoles(); err != nil {
		return false, err
	}
	return true, a.checkMerge(ctx)
}

// proves reports whether the sign-in has the address that the invitation was sent to, verified by
// the provider.
func (a *acceptance) proves() bool {
	return a.identity.EmailVerified && a.identity.Email != "" && care.SameEmail(a.identity.Email, care.OrZero(a.invited.Email))
}

// sameAddress reports whether both people have the same address.
func sameAddress(a, b db.User) bool {
	return a.Email != nil && b.Email != nil && care.SameEmail(*a.Email, *b.Email)
}

// checkRoles returns an error for roles that the person would grant to themselves. It also rejects
// staff roles for a sign-in without the verified address, because a link can be forwarded.
func (a *acceptance) checkRoles() error {
	gained := roles(a.invitation.Roles)
	if a.merges() || !a.known {
		for _, m := range a.held { // The sign-in gets these too.
			gained = append(gained, m.Role)
		}
	}
	if len(gained) > 0 && (len(a.invitation.Roles) > 0 || a.merges()) && a.invitation.CreatedBy == a.person.ID.String() {
		return care.Errorf(care.Forbidden, "you cannot grant roles to yourself: another administrator of the clinic must invite you")
	}
	if slices.ContainsFunc(gained, isStaff) && !a.proves() {
		return care.Errorf(care.Forbidden, "staff roles require a sign-in with the verified email address that the invitation was sent to: sign in with that address, or ask the clinic to invite the address that you sign in with")
	}
	return nil
}

// checkMerge returns an error if both people sign in themselves. It also rejects bringing staff
// roles to a person who has a staff role at the clinic, because that person could have granted
// them.
func (a *acceptance) checkMerge(ctx context.Context) error {
	if !a.merges() {
		return nil
	}
	signIns, err := a.q.SignInList(ctx, a.invited.ID)
	if err != nil {
		return fmt.Errorf("read sign-ins: %w", err)
	}
	if len(signIns) > 0 {
		return care.Errorf(care.Conflict, "another sign-in is linked to the invited person: use that one")
	}
	has, err := heldBy(ctx, a.q, a.person.ID)
	if err != nil {
		return err
	}
	for _, m := range a.held {
		if m.ClinicID == nil {
			return care.Errorf(care.Forbidden, "an account with a platform role cannot be merged: ask the platform's operator")
		}
		if isStaff(m.Role) && slices.ContainsFunc(has, func(h care.Membership) bool {
			return h.ClinicID != nil && *h.ClinicID == *m.ClinicID && isStaff(h.Role)
		}) {
			return care.Errorf(care.Forbidden, "you already work at this clinic: ask its administrator for the role %s", m.Role)
		}
	}
	return nil
}

// accept links the sign-in, merges the people and grants the roles, and returns the resulting
// events.
func (a *acceptance) accept(ctx context.Context) ([]event.Event, error) {
	if !a.known {
		n, err := a.q.IdentityInsert(ctx, db.IdentityInsertParams{
			Issuer: a.identity.Issuer, Subject: a.identity.Subject, UserID: a.person.ID, ProvesAddress: a.proves(),
		})
		if err != nil {
			return nil, fmt.Errorf("link identity: %w", err)
		}
		if n == 0 {
			return nil, care.Errorf(care.Conflict, "another sign-in is linked to the invited person: use that one")
		}
	}
	if err := a.q.InvitationAccept(ctx, a.invitation.ID); err != nil {
		return nil, fmt.Errorf("accept invitation: %w", err)
	}
	as := a.cmd
	as.Actor = care.Actor{ID: a.person.ID.String(), UserID: a.person.ID}
	clinic := a.invitation.ClinicID
	version := int64(3) // After invitation.created and user.invited.
	if len(a.invitation.Roles) == 0 {
		version = 1 // The invitation of the welcome, which is part of user.created.
	}
	events := []event.Event{
		event.New(as, "invitation.accepted", invitationRef(a.invitation.ID), invitationOf(a.invitation.ID, a.person.ID, clinic)).About(as, a.person.ID, &clinic).AtVersion(version),
	}
	if a.merges() {
		merged, err := a.merge(ctx, as)
		if err != nil {
			return nil, err
		}
		events = append(events, merged...)
	}
	granted, _, err := grant(ctx, a.q, as, a.person.ID, &clinic, roles(a.invitation.Roles))
	if err != nil {
		return nil, err
	}
	proved, err := markVerified(ctx, a.q, as, a.person.ID, "email")
	return slices.Concat(events, granted, proved), err
}

// merge moves the data of invited to person, and returns the resulting events.
func (a *acceptance) merge(ctx context.Context, as care.Command) ([]event.Event, error) {
	var events []event.Event
	for _, m := range a.held {
		id, err := a.q.MembershipRevoke(ctx, db.MembershipRevokeParams{UserID: a.invited.ID, ClinicID: m.ClinicID, Role: string(m.Role)})
		if err != nil {
			return nil, fmt.Errorf("revoke membership: %w", err)
		}
		granted, _, err := grant(ctx, a.q, as, a.person.ID, m.ClinicID, []care.Role{m.Role})
		if err != nil {
			return nil, err
		}
		revoked := membershipEvent(as, "membership.revoked", id, a.invited.ID, m.ClinicID, m.Role).AtVersion(2)
		events = append(append(events, revoked), granted...)
	}
	teams, err := a.q.PersonMerge(ctx, db.PersonMergeParams{FromID: a.invited.ID, IntoID: a.person.ID})
	if err != nil {
		return nil, explainOverlap(err)
	}
	for _, t := range teams {
		was := CareTeamMember{PatientID: t.PatientID, ClinicID: t.ClinicID, MemberID: t.MemberID}
		events = append(events, careTeamEvent(as, "care_team.left", was), careTeamEvent(as, "care_team.joined", a.withPerson(was)))
	}
	completed, err := a.complete(ctx, as)
	if err != nil {
		return nil, err
	}
	events = append(events, completed...)
	row, err := a.q.UserMerge(ctx, db.UserMergeParams{ID: a.invited.ID, IntoID: a.person.ID})
	if err != nil {
		return nil, fmt.Errorf("merge user: %w", err)
	}
	merged := event.New(as, "user.merged", userRef(row.ID), event.Merge{UserID: a.person.ID, MergedID: row.ID})
	return append(events, merged.About(as, a.person.ID, &a.invitation.ClinicID).AtVersion(row.Version)), nil
}

// complete copies to person the numbers of invited at clinics where person has none, and an unknown
// birth date and sex. It returns the resulting event.
func (a *acceptance) complete(ctx context.Context, as care.Command) ([]event.Event, error) {
	if err := a.q.MedicalRecordNumberMerge(ctx, db.MedicalRecordNumberMergeParams{FromID: a.invited.ID, IntoID: a.person.ID}); err != nil {
		return nil, fmt.Errorf("move medical record numbers: %w", err)
	}
	var changed []string
	if !a.person.BirthDate.Valid && a.invited.BirthDate.Valid {
		changed = append(changed, "birthDate")
	}
	if a.person.Sex == nil && a.invited.Sex != nil {
		changed = append(changed, "sex")
	}
	if len(changed) == 0 {
		return nil, nil
	}
	row, err := a.q.UserComplete(ctx, db.UserCompleteParams{FromID: a.invited.ID, IntoID: a.person.ID})
	if err != nil {
		return nil, fmt.Errorf("complete user: %w", err)
	}
	return []event.Event{userEvent(as, "user.updated", row, &a.invitation.ClinicID, changed)}, nil
}

// explainOverlap explains the conflict of two appointments at the same time.
func explainOverlap(err error) error {
	translated := postgres.Translate(err)
	if care.CodeOf(translated) != care.Conflict {
		return fmt.Errorf("join with the known person: %w", err)
	}
	return care.Errorf(care.Conflict, "you have an appointment at the same time at another clinic: cancel one of the two, then accept")
}

// withPerson returns the care team entry with person in place of invited.
func (a *acceptance) withPerson(m CareTeamMember) CareTeamMember {
	if m.PatientID == a.invited.ID {
		m.PatientID = a.person.ID
	}
	if m.MemberID == a.invited.ID {
		m.MemberID = a.person.ID
	}
	return m
}

// isStaff reports whether holders of the role work at a clinic or on the platform.
func isStaff(r care.Role) bool { return r != care.Patient }

func roles(names []string) []care.Role {
	list := make([]care.Role, len(names))
	for i, name := range names {
		list[i] = care.Role(name)
	}
	return list
}
