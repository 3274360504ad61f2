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
)

// RefusalError is an answer that must be audited before it is given. The transaction that met it is rolled back; the Writer
// commits its event in one of its own and then gives the answer.
type RefusalError struct {
	Answer *care.Error
	Event  event.Event
}

// Error is the answer's.
func (r *RefusalError) Error() string { return r.Answer.Error() }

// Refuse is a RefusalError with an access.denied about a thing whose person and clinic are known to the service, or nil where
// they are not.
func Refuse(cmd care.Command, answer *care.Error, action care.Action, subject care.Ref, personID, clinicID *uuid.UUID) *RefusalError {
	e := event.New(cmd, "access.denied", subject, event.AccessDenied{
		UserID: personID, ClinicID: clinicID, Action: string(action), Code: string(answer.Code),
	}).At(cmd, clinicID)
	e.PersonID = personID
	return &RefusalError{Answer: answer, Event: e}
}

// Audited gives err, but where it is a RefusalError the answer, once its event has committed. What cannot be audited is not
// answered as a refusal. InTx and InBatch have done it already.
func (w *Writer) Audited(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*RefusalError](err)
	if !ok {
		return err
	}
	err = postgres.InTx(ctx, w.pool, func(tx pgx.Tx) error { return Append(ctx, tx, refused.Event) })
	if err != nil {
		return fmt.Errorf("audit a refusal: %w", err)
	}
	w.bell.Ring()
	return refused.Answer
}
