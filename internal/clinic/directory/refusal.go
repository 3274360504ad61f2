package directory

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
)

// RefusedSignInError is the error of a sign-in of a known person that is refused. It wraps the answer,
// and has what the audit trail needs: the person and the reason, as in event.SignInRefused.
type RefusedSignInError struct {
	UserID uuid.UUID
	Reason string
	answer *care.Error
}

// Error implements error.
func (r *RefusedSignInError) Error() string { return r.answer.Error() }

// Unwrap returns the answer, a care.Error.
func (r *RefusedSignInError) Unwrap() error { return r.answer }

// FindUser returns the person of an identity, in whichever status. ok is false for an identity that
// is not linked to a person.
func (s *Service) FindUser(ctx context.Context, identity Identity) (id uuid.UUID, ok bool, err error) {
	rows, err := s.signIns.Do(ctx, identity.signIn())
	if err != nil {
		return uuid.Nil, false, reading("identity", err)
	}
	if len(rows) == 0 {
		return uuid.Nil, false, nil
	}
	return rows[0].ID, true, nil
}

// RecordTokenSignIn audits the first use of a bearer token of the command's actor as user.signed_in.
func (s *Service) RecordTokenSignIn(ctx context.Context, cmd care.Command) error {
	return s.record(ctx, signedIn(cmd, event.SignedIn{UserID: cmd.Actor.UserID, Method: "token"}))
}

// RecordRefusedSignIn audits refused sign-ins of a person as user.sign_in_refused. The event has the
// trace and the client of the command, and carewire as actor, because nobody is signed in.
func (s *Service) RecordRefusedSignIn(ctx context.Context, cmd care.Command, userID uuid.UUID, reason string, count int64) error {
	cmd.Actor = care.SystemActor("sign-in")
	data := event.SignInRefused{UserID: userID, Reason: reason, Count: count}
	return s.record(ctx, event.New(cmd, "user.sign_in_refused", userRef(userID), data).About(cmd, userID, nil))
}

func (s *Service) record(ctx context.Context, e event.Event) error {
	return s.writer.InTx(ctx, care.Command{Actor: care.SystemActor("sign-in")}, func(tx pgx.Tx) error {
		return outbox.Append(ctx, tx, e)
	})
}

func signedIn(cmd care.Command, data event.SignedIn) event.Event {
	return event.New(cmd, "user.signed_in", userRef(data.UserID), data).About(cmd, data.UserID, nil)
}
