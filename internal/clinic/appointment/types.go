package appointment

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// Appointment is an appointment as the API returns it.
type Appointment struct {
	ID        uuid.UUID  `json:"id" format:"uuid"`
	Version   int64      `json:"version" doc:"1 for the first; the ETag is this number in quotes."`
	PatientID uuid.UUID  `json:"patientId" format:"uuid"`
	ClinicID  uuid.UUID  `json:"clinicId" format:"uuid"`
	DoctorID  uuid.UUID  `json:"doctorId" format:"uuid"`
	Status    Status     `json:"status" enum:"requested,booked,confirmed,checked_in,completed,cancelled,no_show" doc:"An appointment holds its time while it is booked, confirmed or checked in."`
	StartsAt  time.Time  `json:"startsAt" format:"date-time"`
	EndsAt    time.Time  `json:"endsAt" format:"date-time"`
	VisitType *uuid.UUID `json:"visitType,omitempty" format:"uuid" doc:"The id of a visit type of the clinic, if there is one."`
	TimeZone  string     `json:"timeZone" doc:"The clinic's time zone, for display; all times are in UTC." example:"Europe/Berlin"`
	CreatedAt time.Time  `json:"createdAt" format:"date-time"`
	CreatedBy string     `json:"createdBy" doc:"The id of the person who requested or booked it, or system:<part>."`
	UpdatedAt time.Time  `json:"updatedAt" format:"date-time"`
	UpdatedBy string     `json:"updatedBy" doc:"The id of the author of this version."`
}

// Page is one page of a list, in the order in which they start; Next is the cursor of the page after it, or empty.
type Page care.Page[Appointment]

// Slot is a span of time from its start (inclusive) to its end (exclusive).
type Slot struct {
	StartsAt time.Time `json:"startsAt" format:"date-time" doc:"When it starts. Requests and rescheduled appointments must start in the future; the clinic may enter an appointment that began at most a day ago." example:"2027-03-15T09:00:00Z"`
	EndsAt   time.Time `json:"endsAt" required:"false" format:"date-time" doc:"When it ends: 5 minutes to a day after its start, and within the clinic's maximum duration. The default is the visit type's duration for a new appointment, and the current duration for a rescheduled one." example:"2027-03-15T09:30:00Z"`
}

// Input is the input of Create.
type Input struct {
	PatientID uuid.UUID `json:"patientId" format:"uuid" doc:"An active patient of the clinic."`
	ClinicID  uuid.UUID `json:"clinicId" format:"uuid" doc:"The clinic."`
	DoctorID  uuid.UUID `json:"doctorId" format:"uuid" doc:"An active doctor of the clinic."`
	Slot
	VisitType *uuid.UUID `json:"visitType,omitempty" format:"uuid" doc:"The id of an active visit type of the clinic."`
	Override  bool       `json:"override,omitempty" doc:"Allows a time outside the doctor's hours or beyond the clinic's maximum duration. Only for staff who book appointments; recorded in the event."`
}

// NewTime is the input of Reschedule.
type NewTime struct {
	Slot
	Override bool `json:"override,omitempty" doc:"Allows a time outside the doctor's hours or beyond the clinic's maximum duration; recorded in the event."`
}

// NewDoctor is the input of Reassign.
type NewDoctor struct {
	DoctorID uuid.UUID `json:"doctorId" format:"uuid" doc:"Another active doctor of the clinic who is free at that time."`
	Override bool      `json:"override,omitempty" doc:"Allows a time outside the doctor's hours; recorded in the event."`
}

// Reversal is the input of Reverse.
type Reversal struct {
	Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"The reason, visible to staff of the clinic only. Events do not contain it." example:"The wrong patient was marked as missed."`
}

const (
	// shortest and longest bound the duration of an appointment. maxAhead is how far ahead one can
	// be made, and maxBackdate how long after its start the clinic may still enter one: a walk-in
	// patient is seen first.
	shortest    = 5 * time.Minute
	longest     = 24 * time.Hour
	maxAhead    = 2 * 366 * 24 * time.Hour
	maxBackdate = 24 * time.Hour
)

// check normalizes the slot to its stored form and adds its errors. An imported appointment may be
// shorter.
func (s *Slot) check(p *care.FieldErrors, now, earliest time.Time, imported bool) {
	// PostgreSQL stores microseconds.
	s.StartsAt, s.EndsAt = s.StartsAt.UTC().Truncate(time.Microsecond), s.EndsAt.UTC().Truncate(time.Microsecond)
	switch {
	case s.StartsAt.IsZero():
		p.Add("startsAt", "is required")
	case s.StartsAt.Before(earliest):
		p.Add("startsAt", "must not be before %s", earliest.UTC().Format(time.RFC3339))
	case s.StartsAt.After(now.Add(maxAhead)):
		p.Add("startsAt", "must be at most two years ahead")
	}
	switch length := s.EndsAt.Sub(s.StartsAt); {
	case s.EndsAt.IsZero():
		p.Add("endsAt", "is required")
	case length <= 0:
		p.Add("endsAt", "must be after startsAt")
	case length < shortest && !imported:
		p.Add("endsAt", "must be at least %.0f minutes after startsAt", shortest.Minutes())
	case length > longest:
		p.Add("endsAt", "must be at most %.0f hours after startsAt", longest.Hours())
	}
}

func (in *Input) check(now, earliest time.Time, imported bool) error {
	var p care.FieldErrors
	if in.PatientID == uuid.Nil {
		p.Add("patientId", "must name the patient")
	}
	if in.DoctorID == uuid.Nil {
		p.Add("doctorId", "must name the doctor")
	}
	if in.DoctorID != uuid.Nil && in.DoctorID == in.PatientID {
		p.Add("doctorId", "must not be the patient")
	}
	in.Slot.check(&p, now, earliest, imported)
	return p.Err()
}

// from converts rows to appointments, with their clinics' time zones.
func from(ctx context.Context, q *db.Queries, rows ...db.Appointment) ([]Appointment, error) {
	clinics := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		clinics[i] = row.ClinicID
	}
	found, err := q.ClinicTimeZoneList(ctx, clinics)
	if err != nil {
		return nil, fmt.Errorf("look up time zones: %w", err)
	}
	zones := map[uuid.UUID]string{}
	for _, clinic := range found {
		zones[clinic.ID] = clinic.TimeZone
	}
	list := make([]Appointment, len(rows))
	for i, row := range rows {
		list[i] = appointment(row, zones[row.ClinicID])
	}
	return list, nil
}

func appointment(row db.Appointment, zone string) Appointment {
	return Appointment{
		ID: row.ID, Version: row.Version, PatientID: row.PatientID, ClinicID: row.ClinicID, DoctorID: row.DoctorID, Status: Status(row.Status),
		StartsAt: row.StartsAt.UTC(), EndsAt: row.EndsAt.UTC(), VisitType: row.VisitTypeID, TimeZone: zone, CreatedAt: row.CreatedAt.UTC(), CreatedBy: row.CreatedBy,
		UpdatedAt: row.UpdatedAt.UTC(), UpdatedBy: row.UpdatedBy,
	}
}
