package appointment

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Service manages appointments. It is safe for concurrent use.
type Service struct {
	writer *outbox.Writer
	now    func() time.Time
}

// Option configures a Service.
type Option func(*Service)

// WithClock replaces time.Now.
func WithClock(now func() time.Time) Option {
	return func(s *Service) { s.now = now }
}

// New returns a service that uses a writer of the role carewire_app.
func New(writer *outbox.Writer, options ...Option) *Service {
	s := &Service{writer: writer, now: time.Now}
	for _, option := range options {
		option(s)
	}
	return s
}

func ref(id uuid.UUID) care.Ref { return care.Ref{Kind: "appointment", ID: id} }

// Create creates an appointment: booked if the actor may book at the clinic, else requested, which
// patients do for themselves. It returns care.Invalid by field, and care.Forbidden if the actor may
// do neither. It returns care.Conflict on startsAt, with the next free times, if the doctor or the
// patient is not available or the time is outside of the doctor's hours; and care.Conflict if the
// patient has requested this time before or has too many open requests. Conflicts and hours do not
// apply to imports.
func (s *Service) Create(ctx context.Context, cmd care.Command, in Input) (Appointment, error) {
	status, err := initialStatus(cmd, in)
	if err != nil {
		return Appointment{}, s.writer.Audited(ctx, err)
	}
	if in.Override && status == Requested {
		return Appointment{}, care.InvalidField("override", "is only for staff who book appointments: leave it out")
	}
	var row db.Appointment
	var made Appointment
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := applyVisitType(ctx, q, &in); err != nil {
			return err
		}
		if err := in.check(s.now(), s.earliest(cmd, status), cmd.Imported); err != nil {
			return err
		}
		row = db.Appointment{
			ID: uuid.Must(uuid.NewV7()), ClinicID: in.ClinicID, PatientID: in.PatientID, DoctorID: in.DoctorID, Status: string(status),
			StartsAt: in.StartsAt, EndsAt: in.EndsAt, Historic: cmd.Imported, VisitTypeID: in.VisitType,
		}
		problems, zone, err := s.claimSlot(ctx, q, cmd, row, claimOptions{keepHours: true, byPatient: status == Requested, override: in.Override, newRequest: true})
		if err != nil {
			return err
		}
		if err := problems.Err(); err != nil {
			return err
		}
		inserted, err := q.AppointmentInsert(ctx, db.AppointmentInsertParams{
			ID: row.ID, ClinicID: row.ClinicID, PatientID: row.PatientID, DoctorID: row.DoctorID, Status: row.Status,
			StartsAt: row.StartsAt, EndsAt: row.EndsAt, VisitTypeID: row.VisitTypeID, Historic: row.Historic, CreatedBy: cmd.Actor.ID,
		})
		if err != nil {
			return fmt.Errorf("insert appointment: %w", err)
		}
		made, err = appendEvent(ctx, tx, inserted, zone, appointmentEvent(cmd, "appointment."+string(status), inserted, in.Override))
		return err
	})
	if err != nil {
		return Appointment{}, s.withNextFree(ctx, cmd, err, row)
	}
	return made, nil
}

// appendEvent appends the event of a write and returns the appointment. zone is the clinic's time
// zone; if it is empty, it is read.
func appendEvent(ctx context.Context, tx pgx.Tx, row db.Appointment, zone string, e event.Event) (Appointment, error) {
	if zone != "" {
		return appointment(row, zone), outbox.Append(ctx, tx, e)
	}
	list, err := from(ctx, db.New(tx), row)
	if err != nil {
		return Appointment{}, err
	}
	return list[0], outbox.Append(ctx, tx, e)
}

// initialStatus returns the status in which the actor may create the appointment. It runs before
// the rest of the input is checked: others must not learn anything from its errors.
func initialStatus(cmd care.Command, in Input) (Status, error) {
	switch {
	case in.ClinicID == uuid.Nil:
		return "", care.InvalidField("clinicId", "must name the clinic")
	case cmd.Actor.MayOnPlatform(care.AppointmentBook) || cmd.Actor.MayAt(in.ClinicID, care.AppointmentBook, care.SameClinic):
		return Booked, nil
	case in.PatientID == cmd.Actor.UserID && cmd.Actor.MayOwn(care.AppointmentRequest):
		return Requested, nil
	default:
		answer := care.Errorf(care.Forbidden, "you may only request appointments for yourself; none of your roles at this clinic can book them")
		return "", outbox.Deny(cmd, answer, care.AppointmentBook, care.Ref{Kind: "clinic", ID: in.ClinicID}, nil, &in.ClinicID)
	}
}

// earliest returns the earliest start of a new appointment: now for a request, maxBackdate earlier
// for the clinic.
func (s *Service) earliest(cmd care.Command, status Status) time.Time {
	switch {
	case cmd.Imported:
		return time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	case status == Requested:
		return s.now()
	default:
		return s.now().Add(-maxBackdate)
	}
}

// cuttingOff are the types of events that make untrue what was announced about the appointment
// before: its time, that the patient is expected, or, for a reversal, what it reverses. A new doctor
// does not, as the time still holds.
var cuttingOff = []string{
	"appointment.rescheduled", "appointment.checked_in", "appointment.completed", "appointment.cancelled", "appointment.no_show",
	"appointment.reversed",
}

func appointmentEvent(cmd care.Command, typ string, row db.Appointment, override bool) event.Event {
	return versionEvent(cmd, typ, row, event.Appointment{
		AppointmentID: row.ID, UserID: row.PatientID, ClinicID: row.ClinicID, DoctorID: row.DoctorID, Status: row.Status,
		StartsAt: row.StartsAt.UTC().Format(time.RFC3339), Override: override,
	})
}

// versionEvent returns the event of the row's version of the appointment.
func versionEvent(cmd care.Command, typ string, row db.Appointment, data event.Payload) event.Event {
	e := event.New(cmd, typ, ref(row.ID), data).About(cmd, row.PatientID, &row.ClinicID).AtVersion(row.Version)
	e.CutsOff = slices.Contains(cuttingOff, typ)
	return e
}
