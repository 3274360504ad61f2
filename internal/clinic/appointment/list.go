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
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Filter narrows a list. The zero value is the first page of all appointments that the caller may
// see.
type Filter struct {
	// PatientID, DoctorID and ClinicID are zero for any.
	PatientID uuid.UUID
	DoctorID  uuid.UUID
	ClinicID  uuid.UUID
	// From and To bound the start of an appointment: From is inclusive, To exclusive. Zero is
	// unbounded.
	From time.Time
	To   time.Time
	// Statuses are the statuses to list; none means any.
	Statuses []Status
	// VisitType is zero for any.
	VisitType uuid.UUID
	// NeedsAttention selects open future appointments only if the doctor or patient has left or is
	// disabled, or the doctor is absent at that time.
	NeedsAttention bool
	// Cursor is the Next of the previous page.
	Cursor string
	// Limit is 1 to 200; 0 means 50.
	Limit int
}

func (f *Filter) check() (care.PageCursor, error) {
	var errs care.FieldErrors
	f.Limit = errs.PageLimit(f.Limit)
	after := errs.Cursor(f.Cursor, care.BeforeAll)
	for _, status := range f.Statuses {
		if !slices.Contains(statuses, status) {
			errs.Add("status", "must be one of %v", statuses)
			break
		}
	}
	if f.From.IsZero() {
		f.From = care.BeforeAll.Time
	}
	if f.To.IsZero() {
		f.To = care.AfterAll.Time
	}
	if f.From.Before(care.BeforeAll.Time) || f.From.After(care.AfterAll.Time) {
		errs.Add("from", "must be a time of this calendar")
	}
	if !f.To.After(f.From) || f.To.After(care.AfterAll.Time) {
		errs.Add("to", "must be after from")
	}
	return after, errs.Err()
}

// Get returns the appointment. The error is care.NotFound if there is no such appointment, or the
// actor may not see it.
func (s *Service) Get(ctx context.Context, cmd care.Command, id uuid.UUID) (Appointment, error) {
	var list []Appointment
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.AppointmentGet(ctx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return stranger(cmd, care.AppointmentRead, id, nil)
		}
		if err != nil {
			return fmt.Errorf("read appointment: %w", err)
		}
		if !may(cmd.Actor, care.AppointmentRead, row) {
			return stranger(cmd, care.AppointmentRead, id, &row)
		}
		if list, err = from(ctx, q, row); err != nil {
			return err
		}
		return outbox.Append(ctx, tx, readEvent(cmd, row))
	})
	if err != nil {
		return Appointment{}, err
	}
	return list[0], nil
}

// List returns the appointments that the actor may see, in the order in which they start. With a
// filter, a page may be short, or empty, and have a next one: of each patient, doctor, or clinic and
// status, at most 1,000 appointments are looked at for it. If the actor may not see any appointments
// of the patient or at the clinic, the error is care.NotFound for the patient, and care.Forbidden for
// the clinic.
func (s *Service) List(ctx context.Context, cmd care.Command, f Filter) (Page, error) {
	listed := list(f)
	after, err := f.check()
	if err != nil {
		return Page{}, err
	}
	if open := s.now().Add(-longest); f.NeedsAttention && f.From.Before(open) {
		f.From = open // Appointments that began before are over.
	}
	var page Page
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := q.PlanForAnyValues(ctx); err != nil {
			return fmt.Errorf("list appointments: %w", err)
		}
		found, err := appointments(ctx, q, cmd.Actor, f, after)
		if err != nil {
			return fmt.Errorf("list appointments: %w", err)
		}
		found, next := care.PaginateFiltered(found, f.Limit, func(r db.AppointmentListVisibleRow) (care.Place, care.PageCursor) {
			return care.Place{Matches: r.Matches, LastRead: r.LastRead}, care.PageCursor{Time: r.Appointment.StartsAt, ID: r.Appointment.ID}
		})
		page.Next = next.String()
		rows := postgres.ConvertRows(found, func(r db.AppointmentListVisibleRow) db.Appointment { return r.Appointment })
		if page.Items, err = from(ctx, q, rows...); err != nil {
			return err
		}
		events := event.ListReads(cmd, listed, rows, shown)
		if len(rows) == 0 {
			if events, err = emptyList(ctx, q, cmd, f, listed); err != nil {
				return err
			}
		}
		return outbox.Append(ctx, tx, events...)
	})
	if err != nil {
		return Page{}, err
	}
	return page, nil
}

// appointments reads one row more than the page holds, to detect whether there is a next page, along
// the index that leaves the fewest appointments to the other filters.
func appointments(ctx context.Context, q *db.Queries, actor care.Actor, f Filter, after care.PageCursor) ([]db.AppointmentListVisibleRow, error) {
	if f.From.After(after.Time) {
		after = care.PageCursor{Time: f.From}
	}
	p := db.AppointmentListVisibleParams{
		Own: actor.MayOwn(care.AppointmentRead), ActorID: actor.UserID, Clinics: actor.ClinicsFor(care.AppointmentRead, care.SameClinic),
		ToTime: f.To, AfterTime: after.Time, AfterID: after.ID, RowLimit: int32(f.Limit) + 1,
		Statuses: []string{}, AnyVisitType: f.VisitType == uuid.Nil, VisitTypeID: f.VisitType, NeedsAttention: f.NeedsAttention,
	}
	for _, status := range f.Statuses {
		p.Statuses = append(p.Statuses, string(status))
	}
	worksThere := slices.Contains(p.Clinics, f.ClinicID)
	switch {
	case f.PatientID != uuid.Nil:
		return ofPatient(ctx, q, f, p, f.PatientID)
	case len(p.Clinics) == 0, f.ClinicID != uuid.Nil && !worksThere:
		return ofPatient(ctx, q, f, p, actor.UserID) // They may see only their own.
	case f.DoctorID != uuid.Nil:
		found, err := q.AppointmentListOfDoctor(ctx, db.AppointmentListOfDoctorParams{
			DoctorID: f.DoctorID, AnyClinic: f.ClinicID == uuid.Nil, ClinicID: f.ClinicID, ToTime: p.ToTime, AfterTime: p.AfterTime, AfterID: p.AfterID,
			Own: p.Own, ActorID: p.ActorID, Clinics: p.Clinics, RowLimit: p.RowLimit,
			Statuses: p.Statuses, AnyVisitType: p.AnyVisitType, VisitTypeID: p.VisitTypeID, NeedsAttention: p.NeedsAttention,
		})
		return postgres.ConvertRows(found, func(r db.AppointmentListOfDoctorRow) db.AppointmentListVisibleRow {
			return db.AppointmentListVisibleRow(r)
		}), err
	case worksThere:
		p.Own, p.Clinics = false, []uuid.UUID{f.ClinicID} // Their own there are the clinic's too.
	}
	if len(p.Statuses) == 0 {
		return q.AppointmentListVisible(ctx, p)
	}
	found, err := q.AppointmentListVisibleInStatus(ctx, db.AppointmentListVisibleInStatusParams(p))
	return postgres.ConvertRows(found, func(r db.AppointmentListVisibleInStatusRow) db.AppointmentListVisibleRow {
		return db.AppointmentListVisibleRow(r)
	}), err
}

func ofPatient(ctx context.Context, q *db.Queries, f Filter, p db.AppointmentListVisibleParams, patient uuid.UUID) ([]db.AppointmentListVisibleRow, error) {
	found, err := q.AppointmentListOfPatient(ctx, db.AppointmentListOfPatientParams{
		PatientID: patient, AnyDoctor: f.DoctorID == uuid.Nil, DoctorID: f.DoctorID, AnyClinic: f.ClinicID == uuid.Nil, ClinicID: f.ClinicID,
		ToTime: p.ToTime, AfterTime: p.AfterTime, AfterID: p.AfterID, Own: p.Own, ActorID: p.ActorID, Clinics: p.Clinics, RowLimit: p.RowLimit,
		Statuses: p.Statuses, AnyVisitType: p.AnyVisitType, VisitTypeID: p.VisitTypeID, NeedsAttention: p.NeedsAttention,
	})
	return postgres.ConvertRows(found, func(r db.AppointmentListOfPatientRow) db.AppointmentListVisibleRow {
		return db.AppointmentListVisibleRow(r)
	}), err
}

// emptyList returns the events that audit an empty list, or a denial if the actor may not see any
// appointments.
func emptyList(ctx context.Context, q *db.Queries, cmd care.Command, f Filter, listed event.List) ([]event.Event, error) {
	clinics := cmd.Actor.ClinicsFor(care.AppointmentRead, care.SameClinic)
	return outbox.EmptyList{
		Action: care.AppointmentRead, Items: "appointments", List: listed, PatientID: f.PatientID, ClinicID: f.ClinicID,
		ReadsAt: slices.Concat(clinics, cmd.Actor.ClinicsFor(care.AppointmentRead, care.Own)),
		PatientListable: func() (bool, error) {
			return q.AppointmentListable(ctx, db.AppointmentListableParams{
				PatientID: f.PatientID, Clinics: clinics, AnyClinic: f.ClinicID == uuid.Nil, ClinicID: f.ClinicID,
			})
		},
	}.Events(ctx, q, cmd)
}
