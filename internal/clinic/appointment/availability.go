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
	"carewire/internal/postgres/db"
)

// Availability is a doctor's schedule on one day at a clinic. All times have the offset of the
// clinic's zone.
type Availability struct {
	ClinicID        uuid.UUID   `json:"clinicId" format:"uuid"`
	DoctorID        uuid.UUID   `json:"doctorId" format:"uuid"`
	Date            string      `json:"date" format:"date" doc:"The day in the clinic's time zone. It may have 23 or 25 hours." example:"2027-03-15"`
	TimeZone        string      `json:"timeZone" doc:"The clinic's time zone." example:"Europe/Berlin"`
	DurationMinutes int         `json:"durationMinutes" example:"30"`
	DefaultHours    bool        `json:"defaultHours" doc:"The doctor's hours are not set, and default to Monday to Friday from 09:00 to 17:00."`
	Open            []care.Span `json:"open" doc:"The times at which the doctor sees patients on that day."`
	Free            []care.Span `json:"free" doc:"The free slots of the duration, consecutive from the start of each opening. Slots that have begun are left out."`
	Busy            []care.Span `json:"busy" doc:"The times at which the doctor is busy, at any clinic. Adjacent spans are merged."`
}

// Day selects a doctor's day at a clinic.
type Day struct {
	ClinicID, DoctorID uuid.UUID
	// Date is the day at the clinic, such as 2027-03-15.
	Date string
	// Minutes is the length of a slot.
	Minutes int
	// VisitType replaces Minutes by the visit type's duration, unless it is zero.
	VisitType uuid.UUID
}

const (
	minMinutes, maxMinutes = 5, 24 * 60

	// maxSuggestions is the number of free times in a conflict, and suggestionDays the number of
	// days that are searched for them.
	maxSuggestions = 3
	suggestionDays = 14
)

// earliestDay is the first day that can be queried.
var earliestDay = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// check returns the day's midnight in UTC, whatever the clinic's zone.
func (d Day) check(now time.Time) (time.Time, error) {
	var p care.FieldErrors
	if d.DoctorID == uuid.Nil {
		p.Add("doctorId", "must name the doctor")
	}
	if d.ClinicID == uuid.Nil {
		p.Add("clinicId", "must name the clinic")
	}
	day, err := time.Parse(time.DateOnly, d.Date)
	if err != nil || day.Before(earliestDay) || day.After(now.Add(maxAhead)) {
		p.Add("date", "must be a day such as 2027-03-15, at most two years ahead")
	}
	if d.Minutes < minMinutes || d.Minutes > maxMinutes {
		p.Add("durationMinutes", "must be %d to %d", minMinutes, maxMinutes)
	}
	return day, p.Err()
}

// GetAvailability returns the doctor's schedule on a day at the clinic. It returns care.Invalid by
// field, care.Forbidden if the actor has no role at the clinic, and care.NotFound if the person is
// not a doctor there.
func (s *Service) GetAvailability(ctx context.Context, cmd care.Command, d Day) (Availability, error) {
	day, err := d.check(s.now())
	if err != nil {
		return Availability{}, err
	}
	if err := s.checkAvailabilityRead(ctx, cmd, d.ClinicID); err != nil {
		return Availability{}, err
	}
	found := Availability{ClinicID: d.ClinicID, DoctorID: d.DoctorID, Date: d.Date, DurationMinutes: d.Minutes, Open: []care.Span{}, Free: []care.Span{}, Busy: []care.Span{}}
	err = s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) error {
		q := db.New(tx)
		plan, err := doctorSchedule(ctx, q, cmd, care.AvailabilityRead, d.ClinicID, d.DoctorID, day.Add(-maxZoneOffset), day.Add(24*time.Hour+maxZoneOffset))
		if err != nil {
			return err
		}
		if found.DurationMinutes, err = d.minutes(ctx, q); err != nil {
			return err
		}
		found.TimeZone, found.DefaultHours = plan.TimeZone, plan.Default
		zone := plan.zone
		whole := clockSpans(zone, day, day.AddDate(0, 0, 1))
		if len(whole) == 0 {
			return nil // The zone skipped this day when it moved across the date line.
		}
		busy, err := busyIn(ctx, q, zone, db.AppointmentBusyParams{DoctorID: d.DoctorID, FromTime: whole[0].StartsAt, ToTime: whole[len(whole)-1].EndsAt})
		if err != nil {
			return err
		}
		found.Busy = append(found.Busy, busy...)
		found.Open = append(found.Open, plan.openOn(day)...)
		found.Free = freeSlots(found.Open, busy, time.Duration(found.DurationMinutes)*time.Minute, s.now())
		return nil
	})
	if err != nil {
		return Availability{}, err
	}
	return found, nil
}

// minutes returns the length of a slot: the visit type's duration if there is one.
func (d Day) minutes(ctx context.Context, q *db.Queries) (int, error) {
	if d.VisitType == uuid.Nil {
		return d.Minutes, nil
	}
	row, err := activeVisitType(ctx, q, d.ClinicID, d.VisitType)
	return int(row.DurationMinutes), err
}

func busyIn(ctx context.Context, q *db.Queries, zone *time.Location, p db.AppointmentBusyParams) ([]care.Span, error) {
	rows, err := q.AppointmentBusy(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("look up busy times: %w", err)
	}
	spans := make([]care.Span, len(rows))
	for i, row := range rows {
		spans[i] = care.Span{StartsAt: row.StartsAt.In(zone), EndsAt: row.EndsAt.In(zone)}
	}
	return spans, nil
}

// withNextFree adds the next free times to a conflict on startsAt, for the same two people and
// duration. It uses a new transaction, since the failed one was rolled back. If the look-up fails,
// it returns the conflict without them.
func (s *Service) withNextFree(ctx context.Context, cmd care.Command, err error, row db.Appointment) error {
	refusal, ok := errors.AsType[*care.Error](err)
	if !ok || refusal.Code != care.Conflict || !slices.ContainsFunc(refusal.Fields, func(f care.FieldError) bool { return f.Field == "startsAt" }) {
		return err
	}
	_ = s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) error {
		var err error
		refusal.NextFree, err = nextFree(ctx, db.New(tx), cmd, row, s.now())
		return err
	})
	return err
}

// nextFree returns the first free slots of the appointment's length, beginning at its start.
func nextFree(ctx context.Context, q *db.Queries, cmd care.Command, row db.Appointment, now time.Time) ([]care.Span, error) {
	start := row.StartsAt
	if start.Before(now) {
		start = now
	}
	last := start.AddDate(0, 0, suggestionDays+1)
	plan, err := doctorSchedule(ctx, q, cmd, care.AvailabilityRead, row.ClinicID, row.DoctorID, start, last)
	if err != nil {
		return nil, err
	}
	busy, err := busyIn(ctx, q, plan.zone, db.AppointmentBusyParams{
		DoctorID: row.DoctorID, PatientID: row.PatientID, FromTime: start, ToTime: last, ID: row.ID,
	})
	if err != nil {
		return nil, err
	}
	year, month, first := start.In(plan.zone).Date()
	var free []care.Span
	for i := 0; i < suggestionDays && len(free) < maxSuggestions; i++ {
		day := time.Date(year, month, first+i, 0, 0, 0, 0, time.UTC)
		free = append(free, freeSlots(plan.openOn(day), busy, row.EndsAt.Sub(row.StartsAt), start)...)
	}
	return free[:min(len(free), maxSuggestions)], nil
}
