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
	"carewire/internal/postgres/db"
)

// GrantMembership grants a person a role at a clinic that the actor administers and where the
// person already holds one. carewire's own seed and command line grant any role. Actors who may
// register patients grant the role patient. A role that the person already holds is care.Conflict.
// Granting a role to oneself is care.Forbidden.
func (s *Service) GrantMembership(ctx context.Context, cmd care.Command, in MembershipInput) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		may := cmd.Actor.MayOnPlatform(care.MembershipManage) || (in.ClinicID != nil && mayGrant(cmd.Actor, *in.ClinicID, care.MembershipManage, in.Role))
		row, err := mayManage(ctx, q, cmd, in, may)
		if err != nil {
			return err
		}
		if row.Email == nil && isStaff(in.Role) {
			return care.InvalidField("role", "requires a person with an email address to sign in with: add it first")
		}
		if err := notSelf(cmd, care.MembershipManage, in.UserID, in.ClinicID); err != nil {
			return err
		}
		events, _, err := grant(ctx, q, cmd, in.UserID, in.ClinicID, []care.Role{in.Role})
		if err != nil {
			return err
		}
		if len(events) == 0 {
			held := care.Errorf(care.Conflict, "the person already holds this role")
			held.Fields = []care.FieldError{{Field: "role", Message: "is already held"}}
			return held
		}
		return outbox.Append(ctx, tx, events...)
	})
}

// RevokeMembership revokes a role of a person at a clinic. A role that is not held is
// care.NotFound. Actors cannot revoke their own role of administrator, so that a clinic keeps one.
func (s *Service) RevokeMembership(ctx context.Context, cmd care.Command, in MembershipInput) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		may := cmd.Actor.MayOnPlatform(care.MembershipManage) || (in.ClinicID != nil && cmd.Actor.MayAt(*in.ClinicID, care.MembershipManage, care.SameClinic))
		if _, err := mayManage(ctx, q, cmd, in, may); err != nil {
			return err
		}
		if in.UserID == cmd.Actor.UserID && in.Role == care.Admin {
			own := care.Errorf(care.Conflict, "you cannot revoke your own role of administrator: another administrator must")
			own.Fields = []care.FieldError{{Field: "role", Message: "is your own"}}
			return own
		}
		id, err := q.MembershipRevoke(ctx, db.MembershipRevokeParams{UserID: in.UserID, ClinicID: in.ClinicID, Role: string(in.Role)})
		if notFound(err) {
			return care.Errorf(care.NotFound, "the person does not hold this role")
		}
		if err != nil {
			return fmt.Errorf("revoke membership: %w", err)
		}
		events := []event.Event{membershipEvent(cmd, "membership.revoked", id, in.UserID, in.ClinicID, in.Role).AtVersion(2)}
		if in.ClinicID != nil {
			patients, err := q.CareTeamLeave(ctx, db.CareTeamLeaveParams{MemberID: in.UserID, ClinicID: *in.ClinicID})
			if err != nil {
				return fmt.Errorf("leave care teams: %w", err)
			}
			for _, patient := range patients {
				events = append(events, careTeamEvent(cmd, "care_team.left", CareTeamMember{PatientID: patient, ClinicID: *in.ClinicID, MemberID: in.UserID}))
			}
			behind, err := departureEvents(ctx, q, cmd, in.UserID, care.Membership{ClinicID: in.ClinicID, Role: in.Role})
			if err != nil {
				return err
			}
			events = append(events, behind...)
		}
		return outbox.Append(ctx, tx, events...)
	})
}

// mayGrant reports whether the actor may do the action at the clinic, or may register patients
// there if patient is the only role.
func mayGrant(actor care.Actor, clinicID uuid.UUID, action care.Action, roles ...care.Role) bool {
	others := slices.ContainsFunc(roles, func(r care.Role) bool { return r != care.Patient })
	return actor.MayAt(clinicID, action, care.SameClinic) ||
		(len(roles) > 0 && !others && actor.MayAt(clinicID, care.PatientRegister, care.SameClinic))
}

// notSelf returns an error for a role or a place on a care team that the actor would grant to
// themselves: access to records requires two people.
func notSelf(cmd care.Command, action care.Action, person uuid.UUID, clinicID *uuid.UUID) error {
	if person == uuid.Nil || person != cmd.Actor.UserID {
		return nil
	}
	answer := care.Errorf(care.Forbidden, "you cannot grant this to yourself: another administrator of the clinic must")
	return outbox.Deny(cmd, answer, action, userRef(person), &person, clinicID)
}

// mayManage checks the actor's right, and returns the person's row with its lock held, so that
// grants and revocations of one person are serialized.
func mayManage(ctx context.Context, q *db.Queries, cmd care.Command, in MembershipInput, may bool) (db.User, error) {
	if !may {
		answer := care.Errorf(care.Forbidden, "only administrators of the clinic may grant and revoke roles; receptionists may register patients")
		return db.User{}, outbox.Deny(cmd, answer, care.MembershipManage, userRef(in.UserID), nil, in.ClinicID)
	}
	known := care.ClinicRoles
	if in.ClinicID == nil {
		known = care.PlatformRoles
	}
	if !slices.Contains(known, in.Role) {
		return db.User{}, care.InvalidField("role", "must be one of %s", join(known))
	}
	row, err := q.UserLock(ctx, in.UserID)
	if notFound(err) {
		return db.User{}, denyUser(cmd, care.MembershipManage, in.UserID, nil)
	}
	if err != nil {
		return db.User{}, fmt.Errorf("lock user: %w", err)
	}
	held, err := heldBy(ctx, q, in.UserID)
	if err != nil {
		return db.User{}, err
	}
	if !cmd.Actor.MayOnPlatform(care.MembershipManage) && len(visible(cmd.Actor, care.UserRead, held)) == 0 {
		return db.User{}, denyUser(cmd, care.MembershipManage, in.UserID, &in.UserID)
	}
	return row, nil
}

// grant inserts the memberships that are not held yet, and returns their events.
func grant(ctx context.Context, q *db.Queries, cmd care.Command, userID uuid.UUID, clinicID *uuid.UUID, roles []care.Role) ([]event.Event, []care.Membership, error) {
	in := db.MembershipInsertManyParams{UserID: userID, ClinicID: clinicID}
	for _, role := range roles {
		in.Ids, in.Roles = append(in.Ids, uuid.Must(uuid.NewV7())), append(in.Roles, string(role))
	}
	held := []care.Membership{}
	if len(roles) == 0 {
		return nil, held, nil
	}
	rows, err := q.MembershipInsertMany(ctx, in)
	if err != nil {
		return nil, nil, fmt.Errorf("insert memberships: %w", err)
	}
	var events []event.Event
	for _, m := range rows {
		role := care.Role(m.Role)
		events = append(events, membershipEvent(cmd, "membership.granted", m.ID, userID, clinicID, role).AtVersion(1))
		held = append(held, care.Membership{ClinicID: m.ClinicID, Role: role})
	}
	return events, held, nil
}

func membershipEvent(cmd care.Command, typ string, id, userID uuid.UUID, clinicID *uuid.UUID, role care.Role) event.Event {
	e := event.New(cmd, typ, care.Ref{Kind: "membership", ID: id}, event.Membership{
		UserID: userID, ClinicID: clinicID, Role: string(role),
	}).About(cmd, userID, clinicID)
	e.CutsOff = typ == "membership.revoked"
	return e
}

func heldBy(ctx context.Context, q *db.Queries, userID uuid.UUID) ([]care.Membership, error) {
	rows, err := q.MembershipListOfUser(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("read memberships: %w", err)
	}
	held := make([]care.Membership, len(rows))
	for i, m := range rows {
		held[i] = care.Membership{ClinicID: m.ClinicID, Role: care.Role(m.Role)}
	}
	return held, nil
}
