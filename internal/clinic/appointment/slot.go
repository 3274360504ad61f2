package appointment

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// maxRequests is how many upcoming requests a patient may have at one clinic.
const maxRequests = 10

// claimOptions are the conditions of claiming a slot.
type claimOptions struct {
	// keepHours requires a time within the doctor's hours and the clinic's maximum duration, unless
	// override is set.
	keepHours, override bool
	// byPatient marks a patient's request: the default hours apply to it, and it cannot override.
	byPatient bool
	// newRequest marks a new appointment, which counts towards maxRequests.
	newRequest bool
}

// claimSlot checks that both people are active at the clinic (errors by field), that the doctor
// sees patients at that time and that both are free (an error). It locks their rows first, so that
// the result holds until the commit. It returns the clinic's time zone if it was read.
func (s *Service) claimSlot(ctx context.Context, q *db.Queries, cmd care.Command, row db.Appointment, t claimOptions) (p care.FieldErrors, zone string, err error) {
	if _, err := q.AppointmentPeopleLock(ctx, []uuid.UUID{row.DoctorID, row.PatientID}); err != nil {
		return nil, "", fmt.Errorf("lock people: %w", err)
	}
	found, err := findPeople(ctx, q, row)
	if err != nil {
		return nil, "", err
	}
	if found.PatientState != "" {
		p.Add("patientId", "must be an active patient of this clinic")
	}
	if found.DoctorState != "" {
		p.Add("doctorId", "must be an active doctor of this clinic")
	}
	if len(p) > 0 || row.Historic || cmd.Imported {
		return p, "", nil
	}
	if t.keepHours {
		if zone, err = checkSchedule(ctx, q, row, t); err != nil {
			return nil, "", err
		}
	}
	taken, err := q.AppointmentTaken(ctx, db.AppointmentTakenParams{
		DoctorID: row.DoctorID, PatientID: row.PatientID, StartsAt: row.StartsAt, EndsAt: row.EndsAt, ID: row.ID,
	})
	if err != nil {
		return nil, "", fmt.Errorf("look up taken slots: %w", err)
	}
	if len(taken) > 0 {
		return nil, "", notAvailable(cmd.Actor, row.DoctorID, taken)
	}
	if Status(row.Status) == Requested {
		if err := s.checkRequests(ctx, q, row, t.newRequest); err != nil {
			return nil, "", err
		}
	}
	return nil, zone, nil
}

func findPeople(ctx context.Context, q *db.Queries, row db.Appointment) (db.AppointmentPeopleCheckRow, error) {
	found, err := q.AppointmentPeopleCheck(ctx, db.AppointmentPeopleCheckParams{
		PatientID: row.PatientID, DoctorID: row.DoctorID, ClinicID: row.ClinicID,
	})
	if err != nil {
		return found, fmt.Errorf("look up people: %w", err)
	}
	return found, nil
}

// reclaimSlot is claimSlot for an existing appointment: people who have left the clinic since are a
// conflict.
func (s *Service) reclaimSlot(ctx context.Context, q *db.Queries, cmd care.Command, next step, row db.Appointment, t claimOptions) error {
	problems, _, err := s.claimSlot(ctx, q, cmd, row, t)
	switch {
	case err != nil || len(problems) == 0:
		return err
	case next.Transition == Reassign && problems[len(problems)-1].Field == "doctorId":
		return problems[len(problems)-1:].Err()
	default:
		return checkActive(ctx, q, row)
	}
}

// checkActive returns a conflict if the doctor or the patient has left the clinic or was disabled.
func checkActive(ctx context.Context, q *db.Queries, row db.Appointment) error {
	found, err := findPeople(ctx, q, row)
	switch {
	case err != nil:
		return err
	case found.PatientState != "":
		return care.Errorf(care.Conflict, "the patient is no longer active at this clinic (patient_%s): cancel the appointment", found.PatientState)
	case found.DoctorState != "":
		return care.Errorf(care.Conflict, "the doctor is no longer active at this clinic (doctor_%s): reassign the appointment to another doctor, or cancel it", found.DoctorState)
	default:
		return nil
	}
}

// checkSchedule returns an error if the time is outside of the doctor's hours or longer than the
// clinic's maximum. It returns the clinic's time zone.
func checkSchedule(ctx context.Context, q *db.Queries, row db.Appointment, t claimOptions) (string, error) {
	plan, err := readSchedule(ctx, q, row.ClinicID, row.DoctorID, row.StartsAt, row.EndsAt)
	if err != nil || t.override {
		return plan.TimeZone, err
	}
	remedy := ", or set override"
	if t.byPatient {
		remedy = ""
	}
	if length := row.EndsAt.Sub(row.StartsAt); length > plan.maxDuration {
		return "", care.InvalidField("endsAt", "must be at most %.0f minutes after startsAt at this clinic%s", plan.maxDuration.Minutes(), remedy)
	}
	if !plan.isOpen(care.Span{StartsAt: row.StartsAt, EndsAt: row.EndsAt}, t.byPatient) {
		err := care.Errorf(care.Conflict, "the doctor sees no patients at this time")
		err.Fields = []care.FieldError{{Field: "startsAt", Message: "is outside the doctor's hours: choose another time" + remedy}}
		return "", err
	}
	return plan.TimeZone, nil
}

// checkRequests returns a conflict for a second request of the patient for the same doctor and
// time, and for a new one beyond maxRequests.
func (s *Service) checkRequests(ctx context.Context, q *db.Queries, row db.Appointment, another bool) error {
	open, err := q.AppointmentRequestsOpen(ctx, db.AppointmentRequestsOpenParams{
		PatientID: row.PatientID, ClinicID: row.ClinicID, DoctorID: row.DoctorID, StartsAt: row.StartsAt, EndsAt: row.EndsAt, ID: row.ID, After: s.now(),
	})
	switch {
	case err != nil:
		return fmt.Errorf("look up requests: %w", err)
	case open.Same != uuid.Nil:
		return care.Errorf(care.Conflict, "the patient has already requested this time with this doctor: see appointment %s", open.Same)
	case another && open.Open >= maxRequests:
		return care.Errorf(care.Conflict, "you have %d open requests at this clinic: wait for an answer, or cancel one first", open.Open)
	default:
		return nil
	}
}

// notAvailable returns a conflict with the first taken slot that the actor may see. It has no
// details of others.
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
