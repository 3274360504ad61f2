package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Service is the directory. It is safe for concurrent use.
type Service struct {
	writer *outbox.Writer
	reads  *db.Queries
}

// New makes the directory on the writer's database.
func New(writer *outbox.Writer) *Service {
	return &Service{writer: writer, reads: db.New(writer.Pool())}
}

// refusal is an answer that must be audited before it is given: inTx appends the event in a transaction of its own, as
// the one that met the refusal is rolled back.
type refusal struct {
	answer *care.Error
	event  event.Event
}

func (r *refusal) Error() string { return r.answer.Error() }

// refuse answers about a thing whose person and clinic are known to the service, or nil where they are not.
func refuse(cmd care.Command, answer *care.Error, action care.Action, subject care.Ref, personID, clinicID *uuid.UUID) *refusal {
	e := event.New(cmd, "access.denied", subject, event.AccessDenied{
		UserID: personID, ClinicID: clinicID, Action: string(action), Code: string(answer.Code),
	}).About(cmd, uuid.Nil, clinicID)
	e.PersonID = personID
	return &refusal{answer: answer, event: e}
}

func (s *Service) inTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	err := s.writer.InTx(ctx, fn)
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	return s.answer(ctx, r)
}

// answer commits the refusal's event and gives the answer; if it cannot be committed, that is the error.
func (s *Service) answer(ctx context.Context, r *refusal) error {
	err := s.writer.InTx(ctx, func(tx pgx.Tx) error { return outbox.Append(ctx, tx, r.event) })
	if err != nil {
		return fmt.Errorf("audit a refusal: %w", err)
	}
	return r.answer
}

// notFound tells a reading error apart from there being no such row.
func notFound(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

func reading(what string, err error) error {
	return fmt.Errorf("read %s: %w", what, postgres.Translate(err))
}

func memberships(data []byte) ([]care.Membership, error) {
	list := []care.Membership{}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("decode memberships: %w", err)
	}
	return list, nil
}
