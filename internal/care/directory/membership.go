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

// ClinicCreate registers a clinic; carewire's own seed and import may.
func (s *Service) ClinicCreate(ctx context.Context, cmd care.Command, c Clinic) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		if !cmd.Actor.MayOnPlatform(care.ClinicCreate) {
			answer := care.Errorf(care.Forbidden, "clinics are registered by the platform")
			return outbox.Refuse(cmd, answer, care.ClinicCreate, care.Ref{Kind: "clinic", ID: c.ID}, nil, nil)
		}
		if err := c.Validate(); err != nil {
			return err
		}
		if err := db.New(tx).ClinicInsert(ctx, db.ClinicInsertParams{ID: c.ID, Name: c.Name, TimeZone: c.TimeZone}); err != nil {
			return fmt.Errorf("insert clinic: %w", err)
		}
		return nil
	})
}

// MembershipGrant gives a person a role at a clinic that the actor administers, where they hold one already, or as
// carewire's own seed any role. One that is held already is care.Conflict.
func (s *Service) MembershipGrant(ctx context.Context, cmd care.Command, in MembershipInput) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := mayManage(ctx, q, cmd, in); err != nil {
			return err
		}
		events, _, err := grant(ctx, q, cmd, in.UserID, in.ClinicID, []care.Role{in.Role})
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return care.Errorf(care.Conflict, "the person holds this role already")
		}
		return outbox.Append(ctx, tx, events...)
	})
}

// MembershipRevoke takes a role at a clinic from a person. One that is not held is care.NotFound.
func (s *Service) MembershipRevoke(ctx context.Context, cmd care.Command, in MembershipInput) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := mayManage(ctx, q, cmd, in); err != nil {
			return err
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
		}
		return outbox.Append(ctx, tx, events...)
	})
}

// mayManage takes the person's row lock, so that grants and revocations of one person take turns.
func mayManage(ctx context.Context, q *db.Queries, cmd care.Command, in MembershipInput) error {
	platform := cmd.Actor.MayOnPlatform(care.MembershipManage)
	if !platform && (in.ClinicID == nil || !cmd.Actor.MayAt(*in.ClinicID, care.MembershipManage, care.SameClinic)) {
		answer := care.Errorf(care.Forbidden, "only an administrator of the clinic gives and takes roles there")
		return outbox.Refuse(cmd, answer, care.MembershipManage, userRef(in.UserID), nil, in.ClinicID)
	}
	known := care.ClinicRoles
	if in.ClinicID == nil {
		known = care.PlatformRoles
	}
	if !slices.Contains(known, in.Role) {
		return care.InvalidField("role", "must be one of %s", join(known))
	}
	_, err := q.UserLock(ctx, in.UserID)
	if notFound(err) {
		return refuseUser(cmd, care.MembershipManage, in.UserID, nil)
	}
	if err != nil {
		return fmt.Errorf("lock user: %w", err)
	}
	held, err := heldBy(ctx, q, in.UserID)
	if err != nil {
		return err
	}
	if !platform && len(visible(cmd.Actor, care.MembershipManage, held)) == 0 {
		return refuseUser(cmd, care.MembershipManage, in.UserID, &in.UserID)
	}
	return nil
}

// grant inserts the memberships that are not held yet and gives their events.
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
	return event.New(cmd, typ, care.Ref{Kind: "membership", ID: id}, event.Membership{
		UserID: userID, ClinicID: clinicID, Role: string(role),
	}).About(cmd, userID, clinicID)
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
