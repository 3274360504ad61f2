package appointment

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

// Service serves appointments. It is safe for concurrent use.
type Service struct {
	writer *outbox.Writer
	now    func() time.Time
}

// Option changes how a Service works.
type Option func(*Service)

// WithClock makes the service take the time from now instead of the machine's clock.
func WithClock(now func() time.Time) Option {
	return func(s *Service) { s.now = now }
}

// New makes the service on a writer of the role carewire_app.
func New(writer *outbox.Writer, options ...Option) *Service {
	s := &Service{writer: writer, now: time.Now}
	for _, option := range options {
		option(s)
	}
	return s
}

func ref(id uuid.UUID) care.Ref { return care.Ref{Kind: "appointment", ID: id} }

// Create makes an appointment: booked where the actor may book at the clinic, else requested, which patients do for
// themselves. Errors: care.Invalid by field; care.Forbidden where the actor may do neither; care.Conflict on startsAt where
// the doctor or the patient is taken then, or the doctor sees nobody, with the next free times; care.Conflict where the patient
// has asked the doctor for that time already, or has too many requests open. One that is imported is taken in whatever else was
// at that time, and whatever the hours.
func (s *Service) Create(ctx context.Context, cmd care.Command, in Input) (Appointment, error) {
	status, err := initialStatus(cmd, in)
	if err != nil {
		return Appointment{}, s.writer.Audited(ctx, err)
	}
	if in.Override && status == Requested {
		return Appointment{}, care.InvalidField("override", "is for those who arrange appointments at the clinic: leave it out")
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

// wrote appends the event of what was written, and gives it as it stands. zone is the clinic's, or empty where it was not read
// yet.
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

// mayCreate settles whether the actor books or asks. It comes before the look at the rest of the input: a stranger learns
// nothing from what is wrong with it.
func initialStatus(cmd care.Command, in Input) (Status, error) {
	switch {
	case in.ClinicID == uuid.Nil:
		return "", care.InvalidField("clinicId", "must name the clinic")
	case cmd.Actor.MayOnPlatform(care.AppointmentBook) || cmd.Actor.MayAt(in.ClinicID, care.AppointmentBook, care.SameClinic):
		return Booked, nil
	case in.PatientID == cmd.Actor.UserID && cmd.Actor.MayOwn(care.AppointmentRequest):
		return Requested, nil
	default:
		answer := care.Errorf(care.Forbidden, "you may ask for an appointment for yourself only, and hold no role that books them at this clinic")
		return "", outbox.Deny(cmd, answer, care.AppointmentBook, care.Ref{Kind: "clinic", ID: in.ClinicID}, nil, &in.ClinicID)
	}
}

// earliest is when a new appointment may start: for a patient's wish from now on, for the clinic a little before.
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

func appointmentEvent(cmd care.Command, typ string, row db.Appointment, override bool) event.Event {
	return event.New(cmd, typ, ref(row.ID), event.Appointment{
		AppointmentID: row.ID, UserID: row.PatientID, ClinicID: row.ClinicID, DoctorID: row.DoctorID, Status: row.Status,
		StartsAt: row.StartsAt.UTC().Format(time.RFC3339), Override: override,
	}).About(cmd, row.PatientID, &row.ClinicID).AtVersion(row.Version)
}
