package outbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// DeniedError is an answer that must be audited before it is given. The transaction that met it is rolled back; the Writer
// commits its event in one of its own and then gives the answer.
type DeniedError struct {
	Answer *care.Error
	Event  event.Event

	cmd     care.Command
	action  care.Action
	subject care.Ref
}

// Error is the answer's.
func (r *DeniedError) Error() string { return r.Answer.Error() }

// Deny is a DeniedError with an access.denied about a thing whose person and clinic are known to the service, or nil where
// they are not.
func Deny(cmd care.Command, answer *care.Error, action care.Action, subject care.Ref, personID, clinicID *uuid.UUID) *DeniedError {
	e := event.New(cmd, "access.denied", subject, event.AccessDenied{
		UserID: personID, ClinicID: clinicID, Action: string(action), Code: string(answer.Code),
	}).At(cmd, clinicID)
	e.PersonID = personID
	return &DeniedError{Answer: answer, Event: e, cmd: cmd, action: action, subject: subject}
}

// completed is the refusal with whom and what clinic it is about, which the audit trail must know also where row-level
// security kept it from the one who was refused.
func (r *DeniedError) completed(ctx context.Context, tx pgx.Tx) (event.Event, error) {
	if r.Event.PersonID != nil || r.subject.ID == uuid.Nil {
		return r.Event, nil
	}
	owner, err := db.New(tx).SubjectOwner(ctx, db.SubjectOwnerParams{Kind: r.subject.Kind, ID: r.subject.ID})
	if err != nil {
		return event.Event{}, fmt.Errorf("look up whom it is about: %w", err)
	}
	if owner.PersonID == uuid.Nil {
		return r.Event, nil
	}
	return Deny(r.cmd, r.Answer, r.action, r.subject, &owner.PersonID, nonZero(&owner.ClinicID)).Event, nil
}

// Audited gives err, but where it is a DeniedError the answer, once its event has committed. What cannot be audited is not
// answered as a refusal. InTx has done it already.
func (w *Writer) Audited(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*DeniedError](err)
	if !ok {
		return err
	}
	err = postgres.InTx(ctx, w.pool, func(tx pgx.Tx) error {
		if err := postgres.CheckActorVersion(ctx, tx, refused.cmd.Actor); err != nil {
			return err
		}
		e, err := refused.completed(ctx, tx)
		if err != nil {
			return err
		}
		return Append(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("audit a refusal: %w", err)
	}
	w.bell.Wake()
	return refused.Answer
}
