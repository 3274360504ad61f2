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

// DeniedError is an answer that must be audited before it is returned to the caller. The
// transaction in which it occurred is rolled back. The Writer commits the event in a transaction of
// its own and then returns the answer.
type DeniedError struct {
	Answer *care.Error
	Event  event.Event

	cmd     care.Command
	action  care.Action
	subject care.Ref
}

// Error implements error.
func (d *DeniedError) Error() string { return d.Answer.Error() }

// Deny returns a DeniedError with an access.denied event about a subject. personID and clinicID are
// the subject's, or nil if the service does not know them.
func Deny(cmd care.Command, answer *care.Error, action care.Action, subject care.Ref, personID, clinicID *uuid.UUID) *DeniedError {
	e := event.New(cmd, "access.denied", subject, event.AccessDenied{
		UserID: personID, ClinicID: clinicID, Action: string(action), Code: string(answer.Code),
	}).At(cmd, clinicID)
	e.PersonID = personID
	return &DeniedError{Answer: answer, Event: e, cmd: cmd, action: action, subject: subject}
}

// eventWithOwner returns the event with the subject's person and clinic. The audit trail must have
// them even if row-level security hid them from the actor who was denied.
func (d *DeniedError) eventWithOwner(ctx context.Context, tx pgx.Tx) (event.Event, error) {
	if d.Event.PersonID != nil || d.subject.ID == uuid.Nil {
		return d.Event, nil
	}
	owner, err := db.New(tx).SubjectOwner(ctx, db.SubjectOwnerParams{Kind: d.subject.Kind, ID: d.subject.ID})
	if err != nil {
		return event.Event{}, fmt.Errorf("look up the subject's owner: %w", err)
	}
	if owner.PersonID == uuid.Nil {
		return d.Event, nil
	}
	return Deny(d.cmd, d.Answer, d.action, d.subject, &owner.PersonID, care.NonZero(owner.ClinicID)).Event, nil
}

// Audited returns err, or the answer of a DeniedError after its event has committed. If the event
// cannot be committed, Audited returns that error instead of the answer. InTx calls it.
func (w *Writer) Audited(ctx context.Context, err error) error {
	denied, ok := errors.AsType[*DeniedError](err)
	if !ok {
		return err
	}
	err = postgres.InTx(ctx, w.pool, func(tx pgx.Tx) error {
		if err := postgres.CheckActorVersion(ctx, tx, denied.cmd.Actor); err != nil {
			return err
		}
		e, err := denied.eventWithOwner(ctx, tx)
		if err != nil {
			return err
		}
		return Append(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("audit a denied access: %w", err)
	}
	w.waker.Wake()
	return denied.Answer
}
