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

// Service serves appointments. It is safe for concurrent use.
type Service struct {
	writer *outbox.Writer
}

// New makes the service on a writer of the role carewire_app.
func New(writer *outbox.Writer) *Service {
	return &Service{writer: writer}
}

func ref(id uuid.UUID) care.Ref { return care.Ref{Kind: "appointment", ID: id} }

// Create makes an appointment: booked where the actor may book at the clinic, else requested, which patients do for
// themselves. Errors: care.Invalid by field; care.Forbidden where the actor may do neither; care.Conflict on startsAt where
// the doctor or the patient is taken then, with the next free times. One that is imported is taken in whatever else was at that time.
func (s *Service) Create(ctx context.Context, cmd care.Command, in Input) (Appointment, error) {
	status, err := mayCreate(cmd, in)
	if err != nil {
		return Appointment{}, s.writer.Audited(ctx, err)
	}
	if err := in.check(earliest(cmd, status)); err != nil {
		return Appointment{}, err
	}
	row := db.Appointment{
		ID: uuid.Must(uuid.NewV7()), ClinicID: in.ClinicID, PatientID: in.PatientID, DoctorID: in.DoctorID, Status: string(status),
		StartsAt: in.StartsAt, EndsAt: in.EndsAt, Historic: cmd.Imported,
	}
	var made Appointment
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		problems, err := take(ctx, q, cmd.Actor, row)
		if err != nil {
			return err
		}
		if err := problems.Err(); err != nil {
			return err
		}
		inserted, err := q.AppointmentInsert(ctx, db.AppointmentInsertParams{
			ID: row.ID, ClinicID: row.ClinicID, PatientID: row.PatientID, DoctorID: row.DoctorID, Status: row.Status,
			StartsAt: row.StartsAt, EndsAt: row.EndsAt, Historic: row.Historic, CreatedBy: cmd.Actor.ID,
		})
		if err != nil {
			return fmt.Errorf("insert appointment: %w", err)
		}
		made, err = s.wrote(ctx, tx, cmd, "appointment."+string(status), inserted)
		return err
	})
	if err != nil {
		return Appointment{}, s.offering(ctx, cmd, err, row)
	}
	return made, nil
}

// wrote appends the event of what was written, and gives it as it stands.
func (s *Service) wrote(ctx context.Context, tx pgx.Tx, cmd care.Command, typ string, row db.Appointment) (Appointment, error) {
	list, err := from(ctx, db.New(tx), row)
	if err != nil {
		return Appointment{}, err
	}
	return list[0], outbox.Append(ctx, tx, changed(cmd, typ, row))
}

// mayCreate settles whether the actor books or asks. It comes before the look at the rest of the input: a stranger learns
// nothing from what is wrong with it.
func mayCreate(cmd care.Command, in Input) (Status, error) {
	switch {
	case in.ClinicID == uuid.Nil:
		return "", care.InvalidField("clinicId", "must name the clinic")
	case cmd.Actor.MayOnPlatform(care.AppointmentBook) || cmd.Actor.MayAt(in.ClinicID, care.AppointmentBook, care.SameClinic):
		return Booked, nil
	case in.PatientID == cmd.Actor.UserID && cmd.Actor.MayOwn(care.AppointmentRequest):
		return Requested, nil
	default:
		answer := care.Errorf(care.Forbidden, "you may ask for an appointment for yourself only, and hold no role that books them at this clinic")
		return "", outbox.Refuse(cmd, answer, care.AppointmentBook, care.Ref{Kind: "clinic", ID: in.ClinicID}, nil, &in.ClinicID)
	}
}

// earliest is when an appointment may start: for a patient's wish from now on, for the clinic a little before.
func earliest(cmd care.Command, status Status) time.Time {
	switch {
	case cmd.Imported:
		return time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	case status == Requested:
		return time.Now()
	default:
		return time.Now().Add(-late)
	}
}

// take looks whether the slot can be had: whether the two are at the clinic (problems by field) and free then (an error).
// It locks their rows first, so that what it finds holds until the commit.
func take(ctx context.Context, q *db.Queries, actor care.Actor, row db.Appointment) (care.Problems, error) {
	if _, err := q.AppointmentPeopleLock(ctx, []uuid.UUID{row.DoctorID, row.PatientID}); err != nil {
		return nil, fmt.Errorf("lock people: %w", err)
	}
	found, err := q.AppointmentPeopleCheck(ctx, db.AppointmentPeopleCheckParams{
		PatientID: row.PatientID, DoctorID: row.DoctorID, ClinicID: row.ClinicID,
	})
	if err != nil {
		return nil, fmt.Errorf("look up people: %w", err)
	}
	var p care.Problems
	if !found.PatientOk {
		p.Add("patientId", "must be an active patient of this clinic")
	}
	if !found.DoctorOk {
		p.Add("doctorId", "must be an active doctor of this clinic")
	}
	if len(p) > 0 || row.Historic {
		return p, nil
	}
	taken, err := q.AppointmentTaken(ctx, db.AppointmentTakenParams{
		DoctorID: row.DoctorID, PatientID: row.PatientID, StartsAt: row.StartsAt, EndsAt: row.EndsAt, ID: row.ID,
	})
	if err != nil {
		return nil, fmt.Errorf("look up taken slots: %w", err)
	}
	if len(taken) > 0 {
		return nil, notAvailable(actor, row.DoctorID, taken)
	}
	return nil, nil
}

// notAvailable names the first taken slot that the actor may see; of others it tells nothing but that they are.
func notAvailable(actor care.Actor, doctorID uuid.UUID, taken []db.AppointmentTakenRow) error {
	err := care.Errorf(care.Conflict, "this time is not available")
	message := "is not available: choose another time"
	for _, row := range taken {
		if row.ClinicID == nil || !may(actor, care.AppointmentRead, db.Appointment{ClinicID: *row.ClinicID, PatientID: *row.PatientID}) {
			continue
		}
		who := "patient"
		if *row.DoctorID == doctorID {
			who = "doctor"
		}
		message = fmt.Sprintf("the %s is taken from %s to %s: choose another time", who,
			row.StartsAt.UTC().Format(time.RFC3339), row.EndsAt.UTC().Format(time.RFC3339))
		break
	}
	err.Fields = []care.FieldError{{Field: "startsAt", Message: message}}
	return err
}

// Move does a transition other than Reschedule where ifMatch is the current version, else care.PreconditionFailed with
// the current version. One that the status does not allow is care.Conflict, and says what is allowed. One that the actor
// may not do is care.Forbidden where they may see the appointment, else care.NotFound.
func (s *Service) Move(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, t Transition) (Appointment, error) {
	return s.move(ctx, cmd, id, ifMatch, t, nil)
}

// Reschedule moves an appointment to another slot; what was confirmed is to be confirmed again. Errors as for Move, and as
// for Create where the slot is no good.
func (s *Service) Reschedule(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, slot Slot) (Appointment, error) {
	return s.move(ctx, cmd, id, ifMatch, Reschedule, &slot)
}

func (s *Service) move(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, t Transition, slot *Slot) (Appointment, error) {
	next, ok := stepOf(t)
	if !ok || (t == Reschedule) != (slot != nil) {
		return Appointment{}, fmt.Errorf("appointment: %q is no transition, or not with these arguments", t)
	}
	var moved Appointment
	var wanted db.Appointment
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		old, err := q.AppointmentLock(ctx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return stranger(cmd, next.action, id, nil)
		}
		if err != nil {
			return fmt.Errorf("lock appointment: %w", err)
		}
		if err := mayMove(cmd, next, old, ifMatch); err != nil {
			return err
		}
		if wanted, err = next.apply(cmd, old, slot); err != nil {
			return err
		}
		if Status(wanted.Status).holds() && (slot != nil || !Status(old.Status).holds()) {
			if err := retake(ctx, q, cmd.Actor, wanted); err != nil {
				return err
			}
		}
		row, err := q.AppointmentUpdate(ctx, db.AppointmentUpdateParams{
			ID: id, Status: wanted.Status, StartsAt: wanted.StartsAt, EndsAt: wanted.EndsAt, UpdatedBy: cmd.Actor.ID,
		})
		if err != nil {
			return fmt.Errorf("update appointment: %w", err)
		}
		moved, err = s.wrote(ctx, tx, cmd, next.event, row)
		return err
	})
	if err != nil {
		return Appointment{}, s.offering(ctx, cmd, err, wanted)
	}
	return moved, nil
}

func mayMove(cmd care.Command, next step, old db.Appointment, ifMatch int64) error {
	switch {
	case may(cmd.Actor, next.action, old):
	case may(cmd.Actor, care.AppointmentRead, old):
		answer := care.Errorf(care.Forbidden, "you may see this appointment, but %s is not yours to do", next.Transition)
		return outbox.Refuse(cmd, answer, next.action, ref(old.ID), &old.PatientID, &old.ClinicID)
	default:
		return stranger(cmd, next.action, old.ID, &old)
	}
	if ifMatch == 0 {
		return care.Errorf(care.PreconditionRequired, "name the version you have read with If-Match, so that nobody's change is lost")
	}
	if ifMatch != old.Version {
		err := care.Errorf(care.PreconditionFailed, "the appointment was changed since you read version %d: read again, then change version %d", ifMatch, old.Version)
		err.Version = old.Version
		return err
	}
	return nil
}

// apply gives the appointment as the step would leave it.
func (next step) apply(cmd care.Command, row db.Appointment, slot *Slot) (db.Appointment, error) {
	to, ok := next.to[Status(row.Status)]
	if !ok {
		return row, notFrom(cmd.Actor, next.Transition, row)
	}
	if next.Transition == Miss && time.Now().Before(row.StartsAt) {
		return row, care.Errorf(care.Conflict, "no-show is not possible before the appointment starts, at %s", row.StartsAt.UTC().Format(time.RFC3339))
	}
	row.Status = string(to)
	if slot != nil {
		var p care.Problems
		slot.check(&p, earliest(cmd, to))
		row.StartsAt, row.EndsAt = slot.StartsAt, slot.EndsAt
		return row, p.Err()
	}
	return row, nil
}

// retake is take for an appointment that there is already: who has left the clinic since cannot be seen there.
func retake(ctx context.Context, q *db.Queries, actor care.Actor, row db.Appointment) error {
	problems, err := take(ctx, q, actor, row)
	if err == nil && len(problems) > 0 {
		return care.Errorf(care.Conflict, "the patient or the doctor is no longer active at this clinic: cancel this appointment")
	}
	return err
}

func changed(cmd care.Command, typ string, row db.Appointment) event.Event {
	return event.New(cmd, typ, ref(row.ID), event.Appointment{
		AppointmentID: row.ID, UserID: row.PatientID, ClinicID: row.ClinicID, DoctorID: row.DoctorID, Status: row.Status,
		StartsAt: row.StartsAt.UTC().Format(time.RFC3339),
	}).About(cmd, row.PatientID, &row.ClinicID).AtVersion(row.Version)
}
