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

// change is the input of a transition.
type change struct {
	slot     *Slot
	doctorID uuid.UUID
	reason   string
	override bool
}

// matches reports whether the change has exactly the input of the transition.
func (c change) matches(t Transition) bool {
	return (t == Reschedule) == (c.slot != nil) && (t == Reassign) == (c.doctorID != uuid.Nil) && (t == Reverse) == (c.reason != "")
}

// Transition does a transition without further input. It returns care.PreconditionFailed with the
// current version unless that is ifMatch; care.Conflict, with the allowed transitions, if the
// status or the time does not allow it; care.Forbidden if the actor may only see the appointment,
// and care.NotFound if not even that. Confirming or checking in returns care.Conflict if the doctor
// or the patient has left the clinic or is disabled.
func (s *Service) Transition(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, t Transition) (Appointment, error) {
	return s.transition(ctx, cmd, id, ifMatch, t, change{})
}

// Book books a requested appointment. With override it does so even if the doctor's hours have
// changed since. It returns the errors of Transition, and those of Create about the time.
func (s *Service) Book(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, override bool) (Appointment, error) {
	return s.transition(ctx, cmd, id, ifMatch, Book, change{override: override})
}

// Reschedule moves an appointment to another slot. A confirmed one must be confirmed again. The
// current slot is not a change: it makes no version and no event. It returns the errors of
// Transition, and those of Create about the slot.
func (s *Service) Reschedule(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, to NewTime) (Appointment, error) {
	return s.transition(ctx, cmd, id, ifMatch, Reschedule, change{slot: &to.Slot, override: to.Override})
}

// Reassign assigns an appointment to another doctor of the clinic who is free. A confirmed one must
// be confirmed again. It returns the errors of Transition, and those of Create about the doctor.
func (s *Service) Reassign(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, to NewDoctor) (Appointment, error) {
	if to.DoctorID == uuid.Nil {
		return Appointment{}, care.InvalidField("doctorId", "must name the doctor")
	}
	return s.transition(ctx, cmd, id, ifMatch, Reassign, change{doctorID: to.DoctorID, override: to.Override})
}

// Reverse reverses a completion, cancellation or no-show on the day on which it was entered, and
// restores the status before. If the appointment holds its time again, the time must be free. It
// returns the errors of Transition, care.Invalid for the reason, and care.Conflict on startsAt if
// the time is taken.
func (s *Service) Reverse(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, in Reversal) (Appointment, error) {
	var p care.FieldErrors
	p.Text("reason", in.Reason, 1, 1000)
	if err := p.Err(); err != nil {
		return Appointment{}, err
	}
	return s.transition(ctx, cmd, id, ifMatch, Reverse, change{reason: in.Reason})
}

func (s *Service) transition(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, t Transition, c change) (Appointment, error) {
	next, ok := stepOf(t)
	if !ok || !c.matches(t) {
		return Appointment{}, fmt.Errorf("appointment: unknown transition %q, or wrong arguments for it", t)
	}
	var moved Appointment
	var wanted db.Appointment
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		old, zone, err := lock(ctx, q, cmd, next.action, id)
		if err != nil {
			return err
		}
		if err := checkTransition(cmd, next, old, ifMatch); err != nil {
			return err
		}
		if wanted, err = next.apply(cmd, old, c, clinicTime{zone, s.now()}); err != nil {
			return err
		}
		if c.slot != nil && old.StartsAt.Equal(wanted.StartsAt) && old.EndsAt.Equal(wanted.EndsAt) {
			moved = appointment(old, zone.String())
			return nil
		}
		if err := s.checkResult(ctx, q, cmd, next, old, wanted, c); err != nil {
			return err
		}
		row, err := q.AppointmentUpdate(ctx, db.AppointmentUpdateParams{
			ID: id, Status: wanted.Status, DoctorID: wanted.DoctorID, StartsAt: wanted.StartsAt, EndsAt: wanted.EndsAt, UpdatedBy: cmd.Actor.ID,
		})
		if err != nil {
			return fmt.Errorf("update appointment: %w", err)
		}
		if err := insertReversal(ctx, q, cmd, old, row, c); err != nil {
			return err
		}
		moved, err = appendEvent(ctx, tx, row, zone.String(), transitionEvent(cmd, next, old, row, c))
		return err
	})
	if err != nil {
		return Appointment{}, s.withNextFree(ctx, cmd, err, wanted)
	}
	return moved, nil
}

// lock locks the appointment's row until the commit and returns it with the clinic's zone.
func lock(ctx context.Context, q *db.Queries, cmd care.Command, action care.Action, id uuid.UUID) (db.Appointment, *time.Location, error) {
	found, err := q.AppointmentLock(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return db.Appointment{}, nil, stranger(cmd, action, id, nil)
	}
	if err != nil {
		return db.Appointment{}, nil, fmt.Errorf("lock appointment: %w", err)
	}
	zone, err := time.LoadLocation(found.TimeZone)
	if err != nil {
		return db.Appointment{}, nil, fmt.Errorf("load time zone: %w", err)
	}
	return found.Appointment, zone, nil
}

func checkTransition(cmd care.Command, next step, old db.Appointment, ifMatch int64) error {
	switch {
	case may(cmd.Actor, next.action, old):
	case may(cmd.Actor, care.AppointmentRead, old):
		answer := care.Errorf(care.Forbidden, "you may see this appointment, but %s is not allowed for you", next.Transition)
		return outbox.Deny(cmd, answer, next.action, ref(old.ID), &old.PatientID, &old.ClinicID)
	default:
		return stranger(cmd, next.action, old.ID, &old)
	}
	return care.MatchVersion("the appointment", "change", ifMatch, old.Version)
}

// apply returns the appointment after the step.
func (s step) apply(cmd care.Command, row db.Appointment, c change, here clinicTime) (db.Appointment, error) {
	to, err := s.target(cmd.Actor, row, here)
	if err != nil {
		return row, err
	}
	wanted := row
	wanted.Status = string(to)
	switch {
	case c.doctorID == row.DoctorID && c.doctorID != uuid.Nil:
		return row, care.InvalidField("doctorId", "must not be the current doctor")
	case c.doctorID == row.PatientID && c.doctorID != uuid.Nil:
		return row, care.InvalidField("doctorId", "must not be the patient")
	case c.doctorID != uuid.Nil:
		wanted.DoctorID = c.doctorID
	case c.slot != nil:
		return wanted, c.reschedule(&wanted, here.now)
	}
	return wanted, nil
}

// reschedule sets the slot of the appointment. Without an end, the duration stays the same.
func (c change) reschedule(row *db.Appointment, now time.Time) error {
	slot := *c.slot
	if slot.EndsAt.IsZero() && !slot.StartsAt.IsZero() {
		slot.EndsAt = slot.StartsAt.Add(row.EndsAt.Sub(row.StartsAt))
	}
	if toMicroseconds(slot.StartsAt).Equal(row.StartsAt) && toMicroseconds(slot.EndsAt).Equal(row.EndsAt) {
		return nil // The same slot is not a change, so it may be in the past.
	}
	var p care.FieldErrors
	slot.check(&p, now, now, false)
	row.StartsAt, row.EndsAt = slot.StartsAt, slot.EndsAt
	return p.Err()
}

// checkResult checks whether the appointment is possible after the step. The status and the window
// have been checked.
func (s *Service) checkResult(ctx context.Context, q *db.Queries, cmd care.Command, next step, old, wanted db.Appointment, c change) error {
	switch next.Transition {
	case Book, Reschedule, Reassign:
		return s.reclaimSlot(ctx, q, cmd, next, wanted, claimOptions{keepHours: true, override: c.override})
	case Reverse:
		return s.reclaimSlot(ctx, q, cmd, next, wanted, claimOptions{})
	case CheckIn:
		if Status(old.Status) == NoShow {
			return s.reclaimSlot(ctx, q, cmd, next, wanted, claimOptions{})
		}
		return checkActive(ctx, q, wanted)
	case Confirm:
		return checkActive(ctx, q, wanted)
	default:
		return nil
	}
}

func insertReversal(ctx context.Context, q *db.Queries, cmd care.Command, old, row db.Appointment, c change) error {
	if c.reason == "" {
		return nil
	}
	err := q.AppointmentReversalInsert(ctx, db.AppointmentReversalInsertParams{
		AppointmentID: row.ID, Version: row.Version, FromStatus: old.Status, ToStatus: row.Status, Reason: c.reason, ReversedBy: cmd.Actor.ID,
	})
	if err != nil {
		return fmt.Errorf("keep reason: %w", err)
	}
	return nil
}

// transitionEvent returns the event of a transition.
func transitionEvent(cmd care.Command, next step, old, row db.Appointment, c change) event.Event {
	starts := row.StartsAt.UTC().Format(time.RFC3339)
	var data event.Payload
	switch next.Transition {
	case Reverse:
		data = event.AppointmentReversal{
			AppointmentID: row.ID, UserID: row.PatientID, ClinicID: row.ClinicID, DoctorID: row.DoctorID, Status: row.Status,
			FromStatus: old.Status, StartsAt: starts,
		}
	case Reassign:
		data = event.AppointmentReassignment{
			AppointmentID: row.ID, UserID: row.PatientID, ClinicID: row.ClinicID, DoctorID: row.DoctorID, PreviousDoctorID: old.DoctorID,
			Status: row.Status, StartsAt: starts, Override: c.override,
		}
	default:
		return appointmentEvent(cmd, next.event, row, c.override)
	}
	return versionEvent(cmd, next.event, row, data)
}
