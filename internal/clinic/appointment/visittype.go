package appointment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// VisitType is a kind of visit that a clinic offers.
type VisitType struct {
	ID              uuid.UUID `json:"id" format:"uuid"`
	Version         int64     `json:"version" doc:"1 for the first; the ETag is this number in quotes."`
	ClinicID        uuid.UUID `json:"clinicId" format:"uuid"`
	Name            string    `json:"name" example:"First visit"`
	DurationMinutes int32     `json:"durationMinutes" doc:"The default duration of an appointment." example:"45"`
	Active          bool      `json:"active" doc:"Whether it is offered. Existing appointments keep an inactive visit type."`
	UpdatedAt       time.Time `json:"updatedAt" format:"date-time"`
}

// VisitTypeInput is the input of CreateVisitType.
type VisitTypeInput struct {
	Name            string `json:"name" minLength:"1" maxLength:"100" doc:"One line, unique among the active visit types of the clinic." example:"First visit"`
	DurationMinutes int32  `json:"durationMinutes" minimum:"5" maximum:"1440" doc:"The default duration of an appointment, at most the clinic's maximum." example:"45"`
}

// VisitTypeChange is the input of UpdateVisitType.
type VisitTypeChange struct {
	VisitTypeInput
	Active bool `json:"active" doc:"Whether it is offered." example:"true"`
}

// maxVisitTypes is the maximum number of visit types of a clinic, retired ones included: their list
// has no pages.
const maxVisitTypes = 200

// check checks the input, with the clinic's maximum duration of an appointment.
func (in VisitTypeInput) check(ctx context.Context, q *db.Queries, clinicID uuid.UUID) error {
	longest, err := q.ClinicAppointmentMaximum(ctx, clinicID)
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	var p care.FieldErrors
	p.Line("name", in.Name, 1, 100)
	if in.DurationMinutes < minMinutes || in.DurationMinutes > longest {
		p.Add("durationMinutes", "must be %d to %d at this clinic", minMinutes, longest)
	}
	return p.Err()
}

// applyVisitType looks up the input's visit type and sets the end from its duration, unless the
// input has an end.
func applyVisitType(ctx context.Context, q *db.Queries, in *Input) error {
	if in.VisitType == nil {
		return nil
	}
	row, err := activeVisitType(ctx, q, in.ClinicID, *in.VisitType)
	if err != nil {
		return err
	}
	if in.EndsAt.IsZero() && !in.StartsAt.IsZero() {
		in.EndsAt = in.StartsAt.Add(time.Duration(row.DurationMinutes) * time.Minute)
	}
	return nil
}

func activeVisitType(ctx context.Context, q *db.Queries, clinicID, id uuid.UUID) (db.VisitType, error) {
	row, err := q.VisitTypeGet(ctx, db.VisitTypeGetParams{ID: id, ClinicID: clinicID})
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && !row.Active) {
		return row, care.InvalidField("visitType", "must be an active visit type of this clinic")
	}
	if err != nil {
		return row, fmt.Errorf("read visit type: %w", err)
	}
	return row, nil
}

// CreateVisitType creates a visit type, with visit_type.created. It returns care.Invalid by field,
// care.Forbidden, and care.Conflict on name if an active visit type has that name or the clinic has
// 200 of them.
func (s *Service) CreateVisitType(ctx context.Context, cmd care.Command, clinicID uuid.UUID, in VisitTypeInput) (VisitType, error) {
	if err := s.checkVisitTypes(ctx, cmd, care.VisitTypeWrite, clinicID); err != nil {
		return VisitType{}, err
	}
	var made db.VisitType
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := in.check(ctx, q, clinicID); err != nil {
			return err
		}
		n, err := q.VisitTypeCount(ctx, clinicID)
		if err != nil {
			return fmt.Errorf("count visit types: %w", err)
		}
		if n >= maxVisitTypes {
			return care.Errorf(care.Conflict, "the clinic has %d visit types, which is the maximum: rename one that is no longer offered", n)
		}
		made, err = q.VisitTypeInsert(ctx, db.VisitTypeInsertParams{
			ID: uuid.Must(uuid.NewV7()), ClinicID: clinicID, Name: in.Name, DurationMinutes: in.DurationMinutes, UpdatedBy: cmd.Actor.ID,
		})
		if err != nil {
			return fmt.Errorf("insert visit type: %w", err)
		}
		return outbox.Append(ctx, tx, visitTypeEvent(cmd, "visit_type.created", made))
	})
	return visitType(made), err
}

// UpdateVisitType replaces a visit type, with visit_type.updated, if ifMatch is its current
// version. It returns the errors of CreateVisitType, care.NotFound, care.PreconditionRequired, and
// care.PreconditionFailed with the current version.
func (s *Service) UpdateVisitType(ctx context.Context, cmd care.Command, clinicID, id uuid.UUID, ifMatch int64, in VisitTypeChange) (VisitType, error) {
	return s.changeVisitType(ctx, cmd, clinicID, id, func(q *db.Queries, old db.VisitType) (VisitTypeChange, error) {
		if err := in.check(ctx, q, clinicID); err != nil {
			return in, err
		}
		return in, care.MatchVersion("the visit type", "change", ifMatch, old.Version)
	})
}

// RetireVisitType deactivates a visit type. It is idempotent. It returns care.Forbidden or
// care.NotFound.
func (s *Service) RetireVisitType(ctx context.Context, cmd care.Command, clinicID, id uuid.UUID) error {
	_, err := s.changeVisitType(ctx, cmd, clinicID, id, func(_ *db.Queries, old db.VisitType) (VisitTypeChange, error) {
		return VisitTypeChange{VisitTypeInput{old.Name, old.DurationMinutes}, false}, nil
	})
	return err
}

func (s *Service) changeVisitType(ctx context.Context, cmd care.Command, clinicID, id uuid.UUID, change func(q *db.Queries, old db.VisitType) (VisitTypeChange, error)) (VisitType, error) {
	if err := s.checkVisitTypes(ctx, cmd, care.VisitTypeWrite, clinicID); err != nil {
		return VisitType{}, err
	}
	var row db.VisitType
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		old, err := q.VisitTypeLock(ctx, db.VisitTypeLockParams{ID: id, ClinicID: clinicID})
		if errors.Is(err, pgx.ErrNoRows) {
			return care.Errorf(care.NotFound, "visit type not found at this clinic")
		}
		if err != nil {
			return fmt.Errorf("lock visit type: %w", err)
		}
		to, err := change(q, old)
		if err != nil {
			return err
		}
		if row = old; to == (VisitTypeChange{VisitTypeInput{old.Name, old.DurationMinutes}, old.Active}) {
			return nil
		}
		row, err = q.VisitTypeUpdate(ctx, db.VisitTypeUpdateParams{
			ID: id, Name: to.Name, DurationMinutes: to.DurationMinutes, Active: to.Active, UpdatedBy: cmd.Actor.ID,
		})
		if err != nil {
			return fmt.Errorf("update visit type: %w", err)
		}
		return outbox.Append(ctx, tx, visitTypeEvent(cmd, "visit_type.updated", row))
	})
	return visitType(row), err
}

// ListVisitTypes returns the clinic's visit types by name, retired ones included, to everyone with
// a role at the clinic. It returns care.Forbidden.
func (s *Service) ListVisitTypes(ctx context.Context, cmd care.Command, clinicID uuid.UUID) ([]VisitType, error) {
	if err := s.checkVisitTypes(ctx, cmd, care.VisitTypeRead, clinicID); err != nil {
		return nil, err
	}
	list := []VisitType{}
	err := s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) error {
		rows, err := db.New(tx).VisitTypeList(ctx, clinicID)
		for _, row := range rows {
			list = append(list, visitType(row))
		}
		return err
	})
	return list, err
}

// GetVisitType returns one visit type to everyone with a role at the clinic. It returns
// care.Forbidden or care.NotFound.
func (s *Service) GetVisitType(ctx context.Context, cmd care.Command, clinicID, id uuid.UUID) (VisitType, error) {
	if err := s.checkVisitTypes(ctx, cmd, care.VisitTypeRead, clinicID); err != nil {
		return VisitType{}, err
	}
	var row db.VisitType
	err := s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) (err error) {
		row, err = db.New(tx).VisitTypeGet(ctx, db.VisitTypeGetParams{ID: id, ClinicID: clinicID})
		if errors.Is(err, pgx.ErrNoRows) {
			return care.Errorf(care.NotFound, "visit type not found at this clinic")
		}
		return err
	})
	return visitType(row), err
}

func (s *Service) checkVisitTypes(ctx context.Context, cmd care.Command, action care.Action, clinicID uuid.UUID) error {
	if cmd.Actor.MayAt(clinicID, action, care.SameClinic) {
		return nil
	}
	answer := care.Errorf(care.Forbidden, "none of your roles at this clinic allows this")
	return s.writer.Audited(ctx, outbox.Deny(cmd, answer, action, care.Ref{Kind: "clinic", ID: clinicID}, nil, &clinicID))
}

func visitTypeEvent(cmd care.Command, typ string, row db.VisitType) event.Event {
	return event.New(cmd, typ, care.Ref{Kind: "visit_type", ID: row.ID}, event.VisitType{
		VisitTypeID: row.ID, ClinicID: row.ClinicID, Version: row.Version,
	}).At(cmd, &row.ClinicID).AtVersion(row.Version)
}

func visitType(row db.VisitType) VisitType {
	return VisitType{
		ID: row.ID, Version: row.Version, ClinicID: row.ClinicID, Name: row.Name, DurationMinutes: row.DurationMinutes, Active: row.Active,
		UpdatedAt: row.UpdatedAt.UTC(),
	}
}
