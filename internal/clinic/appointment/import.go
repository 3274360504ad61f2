package appointment

import (
	"context"
	"errors"
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

// Imported is an appointment of another system.
type Imported struct {
	ID uuid.UUID
	// Known reports whether it was imported before.
	Known bool
	Input
	Status Status
	// StandInID is the clinic's stand-in for a doctor who is not known. It does not replace a doctor
	// of the appointment, and another doctor may replace it.
	StandInID uuid.UUID
}

// ImportTx imports appointments in bulk, with their events; only carewire's own import may call it.
// For each it returns nil, or a care.Error if it is refused. Past appointments are historic: they
// may overlap with others and last for days. Upcoming ones hold their time, and a conflict fails
// the whole batch.
func (s *Service) ImportTx(ctx context.Context, tx pgx.Tx, cmd care.Command, all []Imported) (itemErrs []error, err error) {
	if !cmd.Actor.MayOnPlatform(care.AppointmentBook) {
		return nil, care.Errorf(care.Forbidden, "only the platform imports appointments")
	}
	itemErrs = make([]error, len(all))
	p := db.AppointmentInsertManyParams{CreatedBy: cmd.Actor.ID}
	first := map[uuid.UUID]int{}
	var events []event.Event
	for i, in := range all {
		if itemErrs[i] = in.checkImported(s.now()); itemErrs[i] != nil {
			continue
		}
		if in.Known {
			changes, err := importChange(ctx, tx, cmd, in)
			if err != nil {
				return nil, err
			}
			events = append(events, changes...)
			continue
		}
		p.Ids, p.ClinicIds = append(p.Ids, in.ID), append(p.ClinicIds, in.ClinicID)
		p.PatientIds, p.DoctorIds = append(p.PatientIds, in.PatientID), append(p.DoctorIds, in.DoctorID)
		p.Statuses, p.Historics = append(p.Statuses, string(in.Status)), append(p.Historics, in.EndsAt.Before(s.now()))
		p.StartsAts, p.EndsAts = append(p.StartsAts, toMicroseconds(in.StartsAt)), append(p.EndsAts, toMicroseconds(in.EndsAt))
		first[in.ID] = i
	}
	rows, err := db.New(tx).AppointmentInsertMany(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("insert appointments: %w", err)
	}
	for _, row := range rows {
		events = append(events, appointmentEvent(cmd, "appointment."+row.Status, row, false))
		delete(first, row.ID)
	}
	for _, i := range first {
		itemErrs[i] = care.InvalidField("patientId", "must be an active patient of the clinic, and doctorId an active doctor of it")
	}
	return itemErrs, outbox.Append(ctx, tx, events...)
}

// toMicroseconds returns the time at the precision of PostgreSQL.
func toMicroseconds(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// statuses are all statuses.
var statuses = []Status{Requested, Booked, Confirmed, CheckedIn, Completed, Cancelled, NoShow}

func (in *Imported) checkImported(now time.Time) error {
	var p care.FieldErrors
	if in.ClinicID == uuid.Nil {
		p.Add("clinicId", "must name the clinic")
	}
	if in.PatientID == uuid.Nil {
		p.Add("patientId", "must name the patient")
	}
	if in.DoctorID == uuid.Nil || in.DoctorID == in.PatientID {
		p.Add("doctorId", "must name the doctor, who must not be the patient")
	}
	if !slices.Contains(statuses, in.Status) {
		p.Add("status", "must be one of %v", statuses)
	}
	if in.StartsAt.Year() < 1900 || in.StartsAt.After(now.Add(maxAhead)) {
		p.Add("startsAt", "must be from 1900 to two years ahead")
	}
	if !toMicroseconds(in.EndsAt).After(toMicroseconds(in.StartsAt)) {
		p.Add("endsAt", "must be after startsAt")
	}
	return p.Err()
}

// importChange updates an appointment that was imported before. It returns no event if nothing has
// changed.
func importChange(ctx context.Context, tx pgx.Tx, cmd care.Command, in Imported) ([]event.Event, error) {
	q := db.New(tx)
	found, err := q.AppointmentLock(ctx, in.ID)
	old := found.Appointment
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, care.Errorf(care.NotFound, "the appointment that was imported before no longer exists")
	}
	if err != nil {
		return nil, fmt.Errorf("lock appointment: %w", err)
	}
	if in.DoctorID == in.StandInID {
		in.DoctorID = old.DoctorID
	}
	replaces := in.DoctorID != old.DoctorID && old.DoctorID == in.StandInID
	if in.PatientID != old.PatientID || in.ClinicID != old.ClinicID || (in.DoctorID != old.DoctorID && !replaces) {
		return nil, care.Errorf(care.Conflict, "the patient, clinic and doctor of an appointment cannot change")
	}
	sameTime := old.StartsAt.Equal(toMicroseconds(in.StartsAt)) && old.EndsAt.Equal(toMicroseconds(in.EndsAt))
	if sameTime && old.Status == string(in.Status) && !replaces {
		return nil, nil
	}
	row, err := q.AppointmentUpdate(ctx, db.AppointmentUpdateParams{
		ID: in.ID, Status: string(in.Status), DoctorID: in.DoctorID, StartsAt: toMicroseconds(in.StartsAt), EndsAt: toMicroseconds(in.EndsAt), UpdatedBy: cmd.Actor.ID,
	})
	if err != nil {
		return nil, fmt.Errorf("update appointment: %w", err)
	}
	typ := "appointment." + row.Status
	switch {
	case old.Status != row.Status:
	case sameTime:
		return []event.Event{versionEvent(cmd, "appointment.reassigned", row, event.AppointmentReassignment{
			AppointmentID: row.ID, UserID: row.PatientID, ClinicID: row.ClinicID, DoctorID: row.DoctorID, PreviousDoctorID: old.DoctorID,
			Status: row.Status, StartsAt: row.StartsAt.UTC().Format(time.RFC3339),
		})}, nil
	default:
		typ = "appointment.rescheduled"
	}
	return []event.Event{appointmentEvent(cmd, typ, row, false)}, nil
}

// CancelImportedTx cancels an appointment that was imported before and that the other system has
// deleted; only carewire's own import may call it. refused is a care.Error if it cannot.
func (s *Service) CancelImportedTx(ctx context.Context, tx pgx.Tx, cmd care.Command, id uuid.UUID) (refused, err error) {
	if !cmd.Actor.MayOnPlatform(care.AppointmentBook) {
		return nil, care.Errorf(care.Forbidden, "only the platform imports appointments")
	}
	found, err := db.New(tx).AppointmentLock(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return care.Errorf(care.NotFound, "the appointment that was imported before no longer exists"), nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock appointment: %w", err)
	}
	old := found.Appointment
	events, err := importChange(ctx, tx, cmd, Imported{
		ID: id, Known: true, Status: Cancelled,
		Input: Input{ClinicID: old.ClinicID, PatientID: old.PatientID, DoctorID: old.DoctorID, Slot: Slot{StartsAt: old.StartsAt, EndsAt: old.EndsAt}},
	})
	if err != nil {
		return nil, err
	}
	return nil, outbox.Append(ctx, tx, events...)
}
