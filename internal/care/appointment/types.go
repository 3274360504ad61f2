package appointment

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// Appointment is one as it stands.
type Appointment struct {
	ID        uuid.UUID `json:"id" format:"uuid"`
	Version   int64     `json:"version" doc:"1 for the first; the ETag is this number in quotes."`
	PatientID uuid.UUID `json:"patientId" format:"uuid"`
	ClinicID  uuid.UUID `json:"clinicId" format:"uuid"`
	DoctorID  uuid.UUID `json:"doctorId" format:"uuid"`
	Status    Status    `json:"status" enum:"requested,booked,confirmed,checked_in,completed,cancelled,no_show" doc:"How far it is. It holds its time while it is booked, confirmed or checked in."`
	StartsAt  time.Time `json:"startsAt" format:"date-time"`
	EndsAt    time.Time `json:"endsAt" format:"date-time"`
	TimeZone  string    `json:"timeZone" doc:"The clinic's, in which its people read the times; they are given in UTC." example:"Europe/Berlin"`
	CreatedAt time.Time `json:"createdAt" format:"date-time"`
	CreatedBy string    `json:"createdBy" doc:"The id of who asked for it or booked it: a person's, or system:<part>."`
	UpdatedAt time.Time `json:"updatedAt" format:"date-time"`
	UpdatedBy string    `json:"updatedBy" doc:"The id of who made this version."`
}

// Page is one page of a list, in the order in which they start; Next is the cursor of the page after it, or empty.
type Page struct {
	Items []Appointment `json:"items"`
	Next  string        `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
}

// Slot is a time: from its start up to, and without, its end.
type Slot struct {
	StartsAt time.Time `json:"startsAt" format:"date-time" doc:"When it starts. A patient asks for a time to come; the clinic may enter what began at most a day ago." example:"2027-03-15T09:00:00Z"`
	EndsAt   time.Time `json:"endsAt" format:"date-time" doc:"When it ends: at most a day after its start." example:"2027-03-15T09:30:00Z"`
}

// Input is an appointment to be.
type Input struct {
	PatientID uuid.UUID `json:"patientId" format:"uuid" doc:"Who is seen: an active patient of the clinic."`
	ClinicID  uuid.UUID `json:"clinicId" format:"uuid" doc:"Where."`
	DoctorID  uuid.UUID `json:"doctorId" format:"uuid" doc:"By whom: an active doctor of the clinic."`
	Slot
}

const (
	// longest bounds one appointment, furthest how far ahead one is made, and late how long after its start the clinic
	// may still enter one: somebody who walked in is seen first.
	longest  = 24 * time.Hour
	furthest = 2 * 366 * 24 * time.Hour
	late     = 24 * time.Hour
)

// check brings the slot into the form in which it is stored, and notes what is wrong with it.
func (s *Slot) check(p *care.Problems, earliest time.Time) {
	// PostgreSQL keeps microseconds.
	s.StartsAt, s.EndsAt = s.StartsAt.UTC().Truncate(time.Microsecond), s.EndsAt.UTC().Truncate(time.Microsecond)
	switch {
	case s.StartsAt.IsZero():
		p.Add("startsAt", "must be given")
	case s.StartsAt.Before(earliest):
		p.Add("startsAt", "must not be before %s", earliest.UTC().Format(time.RFC3339))
	case s.StartsAt.After(time.Now().Add(furthest)):
		p.Add("startsAt", "must be at most two years ahead")
	}
	switch length := s.EndsAt.Sub(s.StartsAt); {
	case s.EndsAt.IsZero():
		p.Add("endsAt", "must be given")
	case length <= 0:
		p.Add("endsAt", "must be after startsAt")
	case length > longest:
		p.Add("endsAt", "must be at most %.0f hours after startsAt", longest.Hours())
	}
}

func (in *Input) check(earliest time.Time) error {
	var p care.Problems
	if in.PatientID == uuid.Nil {
		p.Add("patientId", "must name the patient")
	}
	if in.DoctorID == uuid.Nil {
		p.Add("doctorId", "must name the doctor")
	}
	if in.DoctorID != uuid.Nil && in.DoctorID == in.PatientID {
		p.Add("doctorId", "must be somebody else than the patient")
	}
	in.Slot.check(&p, earliest)
	return p.Err()
}

// from gives the rows as appointments, with their clinics' time zones.
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
		StartsAt: row.StartsAt.UTC(), EndsAt: row.EndsAt.UTC(), TimeZone: zone, CreatedAt: row.CreatedAt.UTC(), CreatedBy: row.CreatedBy,
		UpdatedAt: row.UpdatedAt.UTC(), UpdatedBy: row.UpdatedBy,
	}
}
