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

// SignIn links a person to an identity at an identity provider.
type SignIn struct {
	ID       uuid.UUID `json:"id" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5f"`
	Issuer   string    `json:"issuer" doc:"The identity provider." example:"https://idp.example"`
	Subject  string    `json:"subject" doc:"The sub of the person's tokens." example:"8f14e45f"`
	LinkedAt time.Time `json:"linkedAt" format:"date-time" example:"2026-03-14T09:30:00Z"`
}

// ListSignIns returns the sign-ins of a person in the order in which they were linked, to actors
// who may unlink them (UnlinkSignIn).
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
		read := event.New(cmd, "record.read", userRef(userID), event.RecordRead{
			UserID: userID, ClinicID: clinicID, Action: "list", Kind: "sign_in", Count: new(int64(len(rows))),
		})
		return outbox.Append(ctx, tx, read.About(cmd, userID, clinicID))
	})
	return list, err
}

// UnlinkSignIn removes a sign-in from a person, and ends their sessions. The administrator of every
// clinic where the person holds a role may call it, and operators. Actors cannot unlink their own
// sign-ins. Afterwards, the email address does not link it to the person again; an invitation does.
// Repeating it changes nothing. The error is care.NotFound if it never was a sign-in of the person.
func (s *Service) UnlinkSignIn(ctx context.Context, cmd care.Command, userID, id uuid.UUID) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		clinicID, err := mayUnlink(ctx, q, cmd, userID)
		if err != nil {
			return err
		}
		if userID == cmd.Actor.UserID {
			return care.Errorf(care.Conflict, "you cannot unlink your own sign-in: another administrator must")
		}
		n, err := q.SignInDelete(ctx, db.SignInDeleteParams{ID: id, UserID: userID})
		if err != nil {
			return fmt.Errorf("unlink sign-in: %w", err)
		}
		if n == 0 {
			return checkUnlinked(ctx, q, userID, id)
		}
		ended, err := endSessions(ctx, q, cmd, userID, signInUnlinked)
		if err != nil {
			return err
		}
		e := event.New(cmd, "user.sign_in_unlinked", care.Ref{Kind: "sign_in", ID: id}, event.SignIn{SignInID: id, UserID: userID})
		return outbox.Append(ctx, tx, append([]event.Event{e.About(cmd, userID, clinicID)}, ended...)...)
	})
}

// denySignIns returns the error for an actor who may not manage sign-ins where the person holds a
// role: care.Forbidden if they may read the person, and otherwise the same error as for a missing
// person.
func denySignIns(cmd care.Command, userID uuid.UUID, held []care.Membership) error {
	known := visible(cmd.Actor, care.UserRead, held)
	own := userID == cmd.Actor.UserID && cmd.Actor.MayOwn(care.UserRead)
	if len(known) == 0 && !own {
		return denyUser(cmd, care.SignInManage, userID, nil)
	}
	answer := care.Errorf(care.Forbidden, "only administrators of the clinic may manage sign-ins")
	var clinicID *uuid.UUID
	if len(known) > 0 {
		clinicID = known[0].ClinicID
	}
	return outbox.Deny(cmd, answer, care.SignInManage, userRef(userID), &userID, clinicID)
}

// checkUnlinked returns nil if the sign-in was unlinked from the person before.
func checkUnlinked(ctx context.Context, q *db.Queries, userID, id uuid.UUID) error {
	gone, err := q.SignInUnlinked(ctx, db.SignInUnlinkedParams{UserID: userID, ID: id})
	if err != nil {
		return fmt.Errorf("look for sign-in: %w", err)
	}
	if !gone {
		return care.Errorf(care.NotFound, "sign-in not found")
	}
	return nil
}

// mayUnlink checks the right to manage the person's sign-ins, which requires the same rights as a
// change of their address. It returns the clinic by which the actor has the right.
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
		return nil, denySignIns(cmd, userID, held)
	}
	everywhere, err := q.MembershipsHeld(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("count memberships: %w", err)
	}
	if len(seen) < int(everywhere) {
		answer := care.Errorf(care.Forbidden, "this person has a role elsewhere, so that one clinic cannot manage their sign-ins: ask the platform's operator")
		return nil, outbox.Deny(cmd, answer, care.SignInManage, userRef(userID), &userID, seen[0].ClinicID)
	}
	return seen[0].ClinicID, nil
}
