package directory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/batch"
	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// GetActorByIdentity returns the actor who signs in: a person, or another system with a service
// account. It takes one query for a known person. An unknown identity is linked once to the person
// with its verified email address. The error is care.Unauthenticated if there is no such person,
// and care.Forbidden for a disabled person or service account.
func (s *Service) GetActorByIdentity(ctx context.Context, identity Identity) (care.Actor, error) {
	a, err := s.GetCachedActor(ctx, identity)
	a.CachedVersion = 0
	return a, err
}

// GetCachedActor is GetActorByIdentity for callers that cache people between requests
// (care.Actor.CachedVersion). Other actors have no version and must not be cached.
func (s *Service) GetCachedActor(ctx context.Context, identity Identity) (care.Actor, error) {
	key := identity.signIn()
	person, found, err := s.person(ctx, key)
	if found || err != nil {
		return person, err
	}
	service, err := s.reads.ServiceByIdentity(ctx, db.ServiceByIdentityParams{Issuer: key.issuer, Subject: key.subject, Emails: identity.addresses()})
	if !notFound(err) && !service.Persons {
		return serviceActor(service, err)
	}
	if err := s.link(ctx, identity); err != nil {
		return care.Actor{}, err
	}
	person, found, err = s.person(ctx, key)
	if !found && err == nil {
		err = care.Errorf(care.Unauthenticated, "no person is registered with the email address of this sign-in, or another sign-in is linked to them: ask the clinic to register you or to check your address")
	}
	return person, err
}

// signIn is a subject at an identity provider.
type signIn struct{ issuer, subject string }

func (i Identity) signIn() signIn { return signIn{i.Issuer, i.Subject} }

// newSignIns returns a group that finds the persons of sign-ins: after a restart, thousands of
// clients may sign in at once. Its result has a row for each membership, one without, or none if
// there is no such person.
func newSignIns(reads *db.Queries) *batch.Group[signIn, []db.ActorByIdentitiesRow] {
	return &batch.Group[signIn, []db.ActorByIdentitiesRow]{Work: func(ctx context.Context, all []signIn) ([][]db.ActorByIdentitiesRow, error) {
		var p db.ActorByIdentitiesParams
		for _, one := range all {
			p.Issuers, p.Subjects = append(p.Issuers, one.issuer), append(p.Subjects, one.subject)
		}
		rows, err := reads.ActorByIdentities(ctx, p)
		found := make([][]db.ActorByIdentitiesRow, len(all))
		for _, r := range rows {
			found[r.Number-1] = append(found[r.Number-1], r)
		}
		return found, err
	}}
}

func (s *Service) person(ctx context.Context, key signIn) (a care.Actor, found bool, err error) {
	rows, err := s.signIns.Do(ctx, key)
	if err != nil {
		return care.Actor{}, false, reading("identity", err)
	}
	if len(rows) == 0 {
		return care.Actor{}, false, nil
	}
	a, err = actor(rows[0].ID, rows[0].Status, held(rows))
	if err == nil {
		a.CachedVersion = rows[0].ActorVersion
	}
	return a, true, err
}

// held returns the memberships in the rows of one person in the order in which they were granted.
func held(rows []db.ActorByIdentitiesRow) []care.Membership {
	list := []care.Membership{}
	if rows[0].MembershipID == nil {
		return list // The person has none.
	}
	slices.SortFunc(rows, func(a, b db.ActorByIdentitiesRow) int {
		return cmp.Or(a.GrantedAt.Compare(*b.GrantedAt), bytes.Compare(a.MembershipID[:], b.MembershipID[:]))
	})
	for _, r := range rows {
		list = append(list, care.Membership{ClinicID: r.ClinicID, Role: care.Role(*r.Role)})
	}
	return list
}

func serviceActor(row db.ServiceByIdentityRow, err error) (care.Actor, error) {
	if err != nil {
		return care.Actor{}, reading("identity", err)
	}
	if row.Status != Active {
		return care.Actor{}, care.Errorf(care.Forbidden, "this service account is disabled: ask the clinic's administrator")
	}
	return care.ServiceActor(row.ID, []care.Membership{{ClinicID: &row.ClinicID, Role: care.Service}}), nil
}

func (s *Service) link(ctx context.Context, identity Identity) error {
	if !identity.EmailVerified || identity.Email == "" {
		return care.Errorf(care.Unauthenticated, "unknown sign-in without a verified email address: verify the address with your identity provider, then sign in again; a program needs a service account, which the clinic's administrator registers")
	}
	// The caller is not signed in yet.
	return s.writer.InTx(ctx, care.Command{Actor: care.SystemActor("sign-in")}, func(tx pgx.Tx) error {
		n, err := db.New(tx).IdentityLink(ctx, db.IdentityLinkParams{
			Issuer: identity.Issuer, Subject: identity.Subject, Emails: identity.addresses(),
		})
		if err != nil {
			return fmt.Errorf("link identity: %w", err)
		}
		if _, unusable := care.ParseEmail(identity.Email); n == 0 && unusable != nil {
			return care.Errorf(care.Unauthenticated, "this sign-in cannot be linked by its email address, which %s", unusable.Error())
		}
		return nil
	})
}

// GetActor returns the person as an actor with their current memberships. The error is
// care.Unauthenticated for an unknown person, and care.Forbidden for a disabled one.
func (s *Service) GetActor(ctx context.Context, userID uuid.UUID) (care.Actor, error) {
	row, err := s.reads.UserActor(ctx, userID)
	if notFound(err) {
		return care.Actor{}, care.Errorf(care.Unauthenticated, "the person no longer exists: sign in again")
	}
	if err != nil {
		return care.Actor{}, reading("actor", err)
	}
	return actorOfView(row.ID, row.Status, row.Memberships)
}

// actorOfView returns the actor of a row of the view actors.
func actorOfView(id uuid.UUID, status string, list []byte) (care.Actor, error) {
	held, err := memberships(list)
	if err != nil {
		return care.Actor{}, err
	}
	return actor(id, status, held)
}

func actor(id uuid.UUID, status string, held []care.Membership) (care.Actor, error) {
	if status == deceased {
		answer := care.Errorf(care.Forbidden, "this account is closed: ask the clinic if that is a mistake")
		return care.Actor{}, &RefusedSignInError{UserID: id, Reason: accountClosed, answer: answer}
	}
	if status != Active {
		answer := care.Errorf(care.Forbidden, "this account is disabled: ask your clinic's administrator")
		return care.Actor{}, &RefusedSignInError{UserID: id, Reason: accountDisabled, answer: answer}
	}
	return care.Actor{ID: id.String(), UserID: id, Memberships: held}, nil
}

// GetSelf returns the actor's own details, with the memberships of the actor.
func (s *Service) GetSelf(ctx context.Context, actor care.Actor) (Me, error) {
	if actor.UserID == uuid.Nil {
		return Me{}, care.Errorf(care.Forbidden, "programs have no personal account")
	}
	var u db.User
	err := s.writer.Read(ctx, actor, func(tx pgx.Tx) (err error) {
		u, err = db.New(tx).UserGet(ctx, actor.UserID)
		return err
	})
	if err != nil {
		return Me{}, reading("own account", err)
	}
	return meFrom(u, actor), nil
}

// OnCareTeam returns the clinics where the member is on the patient's care team and still holds a
// role with which care teams read records. The member may not read the patient's records if the
// result is empty.
func (s *Service) OnCareTeam(ctx context.Context, memberID, patientID uuid.UUID) ([]uuid.UUID, error) {
	var roles []string
	for _, r := range care.RolesFor(care.RecordRead, care.CareTeam) {
		roles = append(roles, string(r))
	}
	var clinics []uuid.UUID
	// The service itself asks, on behalf of its caller.
	err := s.writer.Read(ctx, care.SystemActor("directory"), func(tx pgx.Tx) (err error) {
		clinics, err = db.New(tx).CareTeamClinics(ctx, db.CareTeamClinicsParams{MemberID: memberID, PatientID: patientID, Roles: roles})
		return err
	})
	if err != nil {
		return nil, reading("care team", err)
	}
	return clinics, nil
}
