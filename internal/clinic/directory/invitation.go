package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// InvitationLife is the validity of an invitation.
const InvitationLife = 7 * 24 * time.Hour

// NewInvitation invites a person to a clinic.
type NewInvitation struct {
	Email string      `json:"email" minLength:"3" maxLength:"254" format:"email" doc:"The person's exact address; there is no search." example:"ada@clinic.example"`
	Roles []care.Role `json:"roles" minItems:"1" maxItems:"5" enum:"patient,doctor,nurse,receptionist,admin" doc:"The roles at the clinic." example:"[\"patient\"]"`
}

// Invitation is an invitation made by a clinic. It reveals neither the person nor whether a message
// was sent.
type Invitation struct {
	ID        uuid.UUID   `json:"id" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5e"`
	ClinicID  uuid.UUID   `json:"clinicId" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	Roles     []care.Role `json:"roles" enum:"patient,doctor,nurse,receptionist,admin" example:"[\"patient\"]"`
	Status    string      `json:"status" enum:"pending,accepted,expired" example:"pending"`
	CreatedAt time.Time   `json:"createdAt" format:"date-time" example:"2026-03-14T09:30:00Z"`
	ExpiresAt time.Time   `json:"expiresAt" format:"date-time" example:"2026-03-21T09:30:00Z"`
}

// CreateInvitation invites the person with the address to take roles at the clinic. Actors who may
// register patients may invite people as patients. The response does not reveal whether such a
// person exists. The person is notified if the address is verified or belongs to a person known to
// the clinic. They hold the roles once they have accepted.
func (s *Service) CreateInvitation(ctx context.Context, cmd care.Command, clinicID uuid.UUID, in NewInvitation) (Invitation, error) {
	var invitation Invitation
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		if !mayGrant(cmd.Actor, clinicID, care.MembershipManage, in.Roles...) {
			answer := care.Errorf(care.Forbidden, "only administrators of the clinic may invite people, and receptionists patients")
			return outbox.Deny(cmd, answer, care.MembershipManage, clinicRef(clinicID), nil, &clinicID)
		}
		if err := in.Validate(); err != nil {
			return err
		}
		q := db.New(tx)
		person, err := q.Invitee(ctx, care.EmailSpellings(in.Email))
		if err != nil {
			return fmt.Errorf("look for invitee: %w", err)
		}
		if err := notSelf(cmd, care.MembershipManage, person, &clinicID); err != nil {
			return err
		}
		row, err := insertInvitation(ctx, q, cmd, clinicID, care.NonZero(person), in.Roles)
		if err != nil {
			return err
		}
		invitation = invitationFrom(row)
		ref := invitationRef(row.ID)
		events := []event.Event{
			event.New(cmd, "invitation.created", ref, event.Invitation{InvitationID: row.ID, ClinicID: clinicID}).At(cmd, &clinicID).AtVersion(1),
		}
		if person != uuid.Nil {
			events = append(events, event.New(cmd, "user.invited", ref, invitationOf(row.ID, person, clinicID)).About(cmd, person, &clinicID).AtVersion(2))
		}
		return outbox.Append(ctx, tx, events...)
	})
	return invitation, err
}

// GetInvitation returns an invitation of the clinic to actors who may create such invitations
// there. For others the error is care.NotFound.
func (s *Service) GetInvitation(ctx context.Context, cmd care.Command, clinicID, id uuid.UUID) (Invitation, error) {
	var invitation Invitation
	err := s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) error {
		row, err := db.New(tx).InvitationGet(ctx, id)
		if err != nil && !notFound(err) {
			return reading("invitation", err)
		}
		invitation = invitationFrom(row)
		if err != nil || row.ClinicID != clinicID || !mayGrant(cmd.Actor, clinicID, care.MembershipManage, invitation.Roles...) {
			answer := care.Errorf(care.NotFound, "invitation not found, or not at your clinic")
			return outbox.Deny(cmd, answer, care.PatientRegister, invitationRef(id), nil, &clinicID)
		}
		return nil
	})
	return invitation, err
}

// markVerified records that an address of the person was verified, and returns the resulting event,
// or none if it already was.
func markVerified(ctx context.Context, q *db.Queries, cmd care.Command, person uuid.UUID, channel string) ([]event.Event, error) {
	u, err := q.UserLock(ctx, person)
	if err != nil {
		return nil, fmt.Errorf("lock user: %w", err)
	}
	if _, already := addressOf(u, channel); already {
		return nil, nil
	}
	u, err = q.ContactVerified(ctx, db.ContactVerifiedParams{ID: person, Channel: channel})
	if err != nil {
		return nil, fmt.Errorf("note verified address: %w", err)
	}
	e := event.New(cmd, "user.contact_verified", userRef(person), event.Contact{UserID: person, Channel: channel})
	return []event.Event{e.About(cmd, person, nil).AtVersion(u.Version)}, nil
}

// Validate returns an error with every invalid field, or nil.
func (n NewInvitation) Validate() error {
	var errs care.FieldErrors
	errs.Email("email", care.FoldEmail(n.Email))
	rolesOf(&errs, n.Roles)
	if len(n.Roles) == 0 {
		errs.Add("roles", "must name at least one role")
	}
	return errs.Err()
}

func insertInvitation(ctx context.Context, q *db.Queries, cmd care.Command, clinicID uuid.UUID, person *uuid.UUID, roles []care.Role) (db.Invitation, error) {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = string(role)
	}
	row, err := q.InvitationInsert(ctx, db.InvitationInsertParams{
		ID: uuid.Must(uuid.NewV7()), ClinicID: clinicID, UserID: person, Roles: names, CreatedBy: cmd.Actor.ID, TtlSeconds: InvitationLife.Seconds(),
	})
	if err != nil {
		return row, fmt.Errorf("insert invitation: %w", err)
	}
	return row, nil
}

func invitationFrom(r db.Invitation) Invitation {
	i := Invitation{ID: r.ID, ClinicID: r.ClinicID, Status: "pending", CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC()}
	for _, role := range r.Roles {
		i.Roles = append(i.Roles, care.Role(role))
	}
	switch {
	case r.AcceptedAt != nil:
		i.Status = "accepted"
	case !r.ExpiresAt.After(time.Now()):
		i.Status = "expired"
	}
	return i
}

func invitationRef(id uuid.UUID) care.Ref { return care.Ref{Kind: "invitation", ID: id} }

func invitationOf(id, person, clinic uuid.UUID) event.InvitationOf {
	return event.InvitationOf{InvitationID: id, UserID: person, ClinicID: clinic}
}
