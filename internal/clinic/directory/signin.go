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

// SignIn is a link between a person and how an identity provider knows them.
type SignIn struct {
	ID       uuid.UUID `json:"id" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5f"`
	Issuer   string    `json:"issuer" doc:"The identity provider." example:"https://idp.example"`
	Subject  string    `json:"subject" doc:"The sub of the person's tokens." example:"8f14e45f"`
	LinkedAt time.Time `json:"linkedAt" format:"date-time" example:"2026-03-14T09:30:00Z"`
}

// ListSignIns lists how a person signs in, the first linked first, to who may take a sign-in away (SignInUnlink).
func (s *Service) ListSignIns(ctx context.Context, cmd care.Command, userID uuid.UUID) ([]SignIn, error) {
	var list []SignIn
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		clinicID, err := mayUnlink(ctx, q, cmd, userID)
		if err != nil {
			return err
		}
		rows, err := q.SignInList(ctx, userID)
		if err != nil {
			return fmt.Errorf("read sign-ins: %w", err)
		}
		list = make([]SignIn, len(rows))
		for i, r := range rows {
			list[i] = SignIn{ID: r.ID, Issuer: r.Issuer, Subject: r.Subject, LinkedAt: r.LinkedAt.UTC()}
		}
		read := event.New(cmd, "record.read", userRef(userID), event.RecordRead{UserID: userID, ClinicID: clinicID, Action: "list"})
		return outbox.Append(ctx, tx, read.About(cmd, userID, clinicID))
	})
	return list, err
}

// UnlinkSignIn takes a sign-in from a person, and ends their sessions. It is for the administrator of every clinic where the
// person holds a role, and for operators; nobody takes their own. Its email address does not link it to that person again:
// only an invitation does. Doing it again changes nothing; one that never was the person's is care.NotFound.
func (s *Service) UnlinkSignIn(ctx context.Context, cmd care.Command, userID, id uuid.UUID) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		clinicID, err := mayUnlink(ctx, q, cmd, userID)
		if err != nil {
			return err
		}
		if userID == cmd.Actor.UserID {
			return care.Errorf(care.Conflict, "your own sign-in is another administrator's to take")
		}
		n, err := q.SignInDelete(ctx, db.SignInDeleteParams{ID: id, UserID: userID})
		if err != nil {
			return fmt.Errorf("unlink sign-in: %w", err)
		}
		if n == 0 {
			return goneBefore(ctx, q, userID, id)
		}
		ended, err := endSessions(ctx, q, cmd, userID, signInUnlinked)
		if err != nil {
			return err
		}
		e := event.New(cmd, "user.sign_in_unlinked", care.Ref{Kind: "sign_in", ID: id}, event.SignIn{SignInID: id, UserID: userID})
		return outbox.Append(ctx, tx, append([]event.Event{e.About(cmd, userID, clinicID)}, ended...)...)
	})
}

// mayNotHandle refuses whoever handles nobody's sign-ins where the person holds a role: with care.Forbidden who may read the
// person, and everybody else as if there were no such person.
func mayNotHandle(cmd care.Command, userID uuid.UUID, held []care.Membership) error {
	known := visible(cmd.Actor, care.UserRead, held)
	own := userID == cmd.Actor.UserID && cmd.Actor.MayOwn(care.UserRead)
	if len(known) == 0 && !own {
		return denyUser(cmd, care.SignInManage, userID, nil)
	}
	answer := care.Errorf(care.Forbidden, "an administrator of the clinic handles people's sign-ins")
	var clinicID *uuid.UUID
	if len(known) > 0 {
		clinicID = known[0].ClinicID
	}
	return outbox.Deny(cmd, answer, care.SignInManage, userRef(userID), &userID, clinicID)
}

// goneBefore is nil for a sign-in that was taken from the person before.
func goneBefore(ctx context.Context, q *db.Queries, userID, id uuid.UUID) error {
	gone, err := q.SignInUnlinked(ctx, db.SignInUnlinkedParams{UserID: userID, ID: id})
	if err != nil {
		return fmt.Errorf("look for sign-in: %w", err)
	}
	if !gone {
		return care.Errorf(care.NotFound, "the person has no such sign-in")
	}
	return nil
}

// mayUnlink refuses who may not handle the person's sign-ins, as who may not change their address, and gives the clinic at
// which the actor does.
func mayUnlink(ctx context.Context, q *db.Queries, cmd care.Command, userID uuid.UUID) (*uuid.UUID, error) {
	if cmd.Actor.MayOnPlatform(care.SignInManage) {
		known, err := q.UserExists(ctx, userID)
		if err != nil {
			return nil, fmt.Errorf("look for user: %w", err)
		}
		if !known {
			return nil, denyUser(cmd, care.SignInManage, userID, nil)
		}
		return nil, nil //nolint:nilnil // An operator does at no clinic.
	}
	held, err := heldBy(ctx, q, userID)
	if err != nil {
		return nil, err
	}
	seen := visible(cmd.Actor, care.SignInManage, held)
	if len(seen) == 0 {
		return nil, mayNotHandle(cmd, userID, held)
	}
	everywhere, err := q.MembershipsHeld(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("count memberships: %w", err)
	}
	if len(seen) < int(everywhere) {
		answer := care.Errorf(care.Forbidden, "the sign-ins of this person are not one clinic's to handle, as they have a role elsewhere: ask the platform's operator")
		return nil, outbox.Deny(cmd, answer, care.SignInManage, userRef(userID), &userID, seen[0].ClinicID)
	}
	return seen[0].ClinicID, nil
}
