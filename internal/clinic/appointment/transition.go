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

// change is what a step needs to know, other than the appointment.
type change struct {
	slot     *Slot
	doctorID uuid.UUID
	reason   string
	override bool
}

// fits reports whether the step takes just what the change holds.
func (c change) matches(t Transition) bool {
	return (t == Reschedule) == (c.slot != nil) && (t == Reassign) == (c.doctorID != uuid.Nil) && (t == Reverse) == (c.reason != "")
}

// Transition does a transition that needs nothing more to be said where ifMatch is the current version, else
// care.PreconditionFailed with the current version. One that the status or the time does not allow is care.Conflict, and says
// what is allowed. One that the actor may not do is care.Forbidden where they may see the appointment, else care.NotFound.
// Confirming, or checking in, where the doctor or the patient has left the clinic or is disabled is care.Conflict with the reason.
func (s *Service) Transition(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, t Transition) (Appointment, error) {
	return s.transition(ctx, cmd, id, ifMatch, t, change{})
}

// Book returns a patient the time that they asked for. Errors as for Move, and as for Create where the time is no good: override
// books it although the doctor's hours have changed since.
func (s *Service) Book(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, override bool) (Appointment, error) {
	return s.transition(ctx, cmd, id, ifMatch, Book, change{override: override})
}

// Reschedule moves an appointment to another slot to come; what was confirmed is to be confirmed again. The slot that it has is
// no change: there is no new version and no event. Errors as for Move, and as for Create where the slot is no good.
func (s *Service) Reschedule(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, to NewTime) (Appointment, error) {
	return s.transition(ctx, cmd, id, ifMatch, Reschedule, change{slot: &to.Slot, override: to.Override})
}

// Reassign returns an appointment to another doctor of the clinic who is free then; what was confirmed is to be confirmed again.
// Errors as for Move, and as for Create where the doctor cannot.
func (s *Service) Reassign(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, to NewDoctor) (Appointment, error) {
	if to.DoctorID == uuid.Nil {
		return Appointment{}, care.InvalidField("doctorId", "must name the doctor")
	}
	return s.transition(ctx, cmd, id, ifMatch, Reassign, change{doctorID: to.DoctorID, override: to.Override})
}

// Reverse takes back that an appointment was completed, cancelled or missed, on the day on which that was said: it goes back to
// the status before. One that holds its time again must find it free. Errors as for Move, care.Invalid for the reason, and
// care.Conflict on startsAt where the time was given to somebody else.
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
		return Appointment{}, fmt.Errorf("appointment: %q is no transition, or not with these arguments", t)
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

// lock reads the appointment and its clinic's zone, and keeps its row until the commit.
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
		answer := care.Errorf(care.Forbidden, "you may see this appointment, but %s is not yours to do", next.Transition)
		return outbox.Deny(cmd, answer, next.action, ref(old.ID), &old.PatientID, &old.ClinicID)
	default:
		return stranger(cmd, next.action, old.ID, &old)
	}
	return care.MatchVersion("the appointment", "change", ifMatch, old.Version)
}

// apply returns the appointment as the step would leave it.
func (s step) apply(cmd care.Command, row db.Appointment, c change, here clinicTime) (db.Appointment, error) {
	to, err := s.target(cmd.Actor, row, here)
	if err != nil {
		return row, err
	}
	wanted := row
	wanted.Status = string(to)
	switch {
	case c.doctorID == row.DoctorID && c.doctorID != uuid.Nil:
		return row, care.InvalidField("doctorId", "must be another doctor than the appointment has")
	case c.doctorID == row.PatientID && c.doctorID != uuid.Nil:
		return row, care.InvalidField("doctorId", "must be somebody else than the patient")
	case c.doctorID != uuid.Nil:
		wanted.DoctorID = c.doctorID
	case c.slot != nil:
		return wanted, c.reschedule(&wanted, here.now)
	}
	return wanted, nil
}

// reschedule puts the appointment into the slot, of its own length unless the slot says another.
func (c change) reschedule(row *db.Appointment, now time.Time) error {
	slot := *c.slot
	if slot.EndsAt.IsZero() && !slot.StartsAt.IsZero() {
		slot.EndsAt = slot.StartsAt.Add(row.EndsAt.Sub(row.StartsAt))
	}
	if toMicroseconds(slot.StartsAt).Equal(row.StartsAt) && toMicroseconds(slot.EndsAt).Equal(row.EndsAt) {
		return nil // No change, and so not one into the past.
	}
	var p care.FieldErrors
	slot.check(&p, now, now, false)
	row.StartsAt, row.EndsAt = slot.StartsAt, slot.EndsAt
	return p.Err()
}

// admit looks whether the appointment can be as the step would leave it. Its status and the time have been looked at.
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

// told is the event of a step.
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
	return event.New(cmd, next.event, ref(row.ID), data).About(cmd, row.PatientID, &row.ClinicID).AtVersion(row.Version)
}
