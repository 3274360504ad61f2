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
	Status    Status     `json:"status" enum:"requested,booked,confirmed,checked_in,completed,cancelled,no_show" doc:"How far it is. It holds its time while it is booked, confirmed or checked in."`
	StartsAt  time.Time  `json:"startsAt" format:"date-time"`
	EndsAt    time.Time  `json:"endsAt" format:"date-time"`
	VisitType *uuid.UUID `json:"visitType,omitempty" format:"uuid" doc:"What it is for: the id of a visit type of the clinic. Left out where nobody said."`
	TimeZone  string     `json:"timeZone" doc:"The clinic's, in which its people read the times; they are given in UTC." example:"Europe/Berlin"`
	CreatedAt time.Time  `json:"createdAt" format:"date-time"`
	CreatedBy string     `json:"createdBy" doc:"The id of who asked for it or booked it: a person's, or system:<part>."`
	UpdatedAt time.Time  `json:"updatedAt" format:"date-time"`
	UpdatedBy string     `json:"updatedBy" doc:"The id of who made this version."`
}

// Page is one page of a list, in the order in which they start; Next is the cursor of the page after it, or empty.
type Page struct {
	Items []Appointment `json:"items"`
	Next  string        `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
}

// Slot is a span of time from its start (inclusive) to its end (exclusive).
type Slot struct {
	StartsAt time.Time `json:"startsAt" format:"date-time" doc:"When it starts. A patient asks for a time to come, and an appointment moves to one; the clinic may enter what began at most a day ago." example:"2027-03-15T09:00:00Z"`
	EndsAt   time.Time `json:"endsAt" required:"false" format:"date-time" doc:"When it ends: at least 5 minutes and at most a day after its start, and at most as long after it as the clinic allows. Left out, a new appointment takes as long as its visit type says, and one that is moved as long as before." example:"2027-03-15T09:30:00Z"`
}

// Input is the input of Create.
type Input struct {
	PatientID uuid.UUID `json:"patientId" format:"uuid" doc:"Who is seen: an active patient of the clinic."`
	ClinicID  uuid.UUID `json:"clinicId" format:"uuid" doc:"Where."`
	DoctorID  uuid.UUID `json:"doctorId" format:"uuid" doc:"By whom: an active doctor of the clinic."`
	Slot
	VisitType *uuid.UUID `json:"visitType,omitempty" format:"uuid" doc:"What for: the id of an active visit type of the clinic."`
	Override  bool       `json:"override,omitempty" doc:"Books a time outside the doctor's hours, or longer than the clinic allows, all the same. For those who arrange appointments; the event says so."`
}

// NewTime is the input of Reschedule.
type NewTime struct {
	Slot
	Override bool `json:"override,omitempty" doc:"Takes a time outside the doctor's hours, or longer than the clinic allows, all the same; the event says so."`
}

// NewDoctor is the input of Reassign.
type NewDoctor struct {
	DoctorID uuid.UUID `json:"doctorId" format:"uuid" doc:"Another active doctor of the clinic, who is free then."`
	Override bool      `json:"override,omitempty" doc:"Gives it to the doctor although it is outside of their hours; the event says so."`
}

// Reversal is the input of Reverse.
type Reversal struct {
	Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"Why. It is kept for those who work at the clinic, and is in no event." example:"The wrong patient was marked as missed."`
}

const (
	// shortest and longest bound the duration of an appointment. maxAhead is how far ahead one can
	// be made, and maxBackdate how long after its start the clinic may still enter one: a walk-in
	// patient is seen first.
	shortest = 5 * time.Minute
	longest  = 24 * time.Hour
	maxAhead = 2 * 366 * 24 * time.Hour
	maxBackdate     = 24 * time.Hour
)

// check normalizes the slot to its stored form and adds its errors. An imported appointment may be
// shorter.
func (s *Slot) check(p *care.FieldErrors, now, earliest time.Time, imported bool) {
	// PostgreSQL stores microseconds.
	s.StartsAt, s.EndsAt = s.StartsAt.UTC().Truncate(time.Microsecond), s.EndsAt.UTC().Truncate(time.Microsecond)
	switch {
	case s.StartsAt.IsZero():
		p.Add("startsAt", "must be given")
	case s.StartsAt.Before(earliest):
		p.Add("startsAt", "must not be before %s", earliest.UTC().Format(time.RFC3339))
	case s.StartsAt.After(now.Add(maxAhead)):
		p.Add("startsAt", "must be at most two years ahead")
	}
	switch length := s.EndsAt.Sub(s.StartsAt); {
	case s.EndsAt.IsZero():
		p.Add("endsAt", "must be given")
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
		p.Add("doctorId", "must be somebody else than the patient")
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
