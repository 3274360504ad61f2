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

// schedule is when a doctor sees patients at a clinic, busy or not: the weekly hours, the additions
// to them (openings) and the exceptions from them (closings).
type schedule struct {
	Hours
	zone               *time.Location
	openings, closings []care.Span
	// maxDuration is the maximum duration of an appointment at the clinic.
	maxDuration time.Duration
	// doctor reports whether the person is a doctor of the clinic.
	doctor bool
}

// readSchedule reads the schedule, with the absences that overlap with the given time. It returns
// pgx.ErrNoRows if there is no such clinic.
func readSchedule(ctx context.Context, q *db.Queries, clinicID, doctorID uuid.UUID, from, to time.Time) (schedule, error) {
	found, err := q.DoctorScheduleGet(ctx, db.DoctorScheduleGetParams{DoctorID: doctorID, ClinicID: clinicID, FromTime: from, ToTime: to})
	if err != nil {
		return schedule{}, fmt.Errorf("read schedule: %w", err)
	}
	zone, err := time.LoadLocation(found.TimeZone)
	if err != nil {
		return schedule{}, fmt.Errorf("load time zone: %w", err)
	}
	plan := schedule{
		Hours: Hours{ClinicID: clinicID, DoctorID: doctorID, Version: found.Version, TimeZone: found.TimeZone, Openings: []Opening{}},
		zone:  zone, maxDuration: time.Duration(found.MaxMinutes) * time.Minute, doctor: found.DoctorOk,
	}
	for i, weekday := range found.Weekdays {
		plan.Openings = append(plan.Openings, Opening{Weekday: weekdays[weekday-1], OpensAt: clockText(found.OpensAt[i]), ClosesAt: clockText(found.ClosesAt[i])})
	}
	if found.Version == 0 {
		plan.Default, plan.Openings = true, defaultOpenings
	}
	for i, kind := range found.Kinds {
		span := care.Span{StartsAt: found.StartsAt[i].In(zone), EndsAt: found.EndsAt[i].In(zone)}
		if Kind(kind) == OpeningHours {
			plan.openings = append(plan.openings, span)
		} else {
			plan.closings = append(plan.closings, span)
		}
	}
	return plan, nil
}

// doctorSchedule is readSchedule for a request: it returns care.NotFound if the person is not a
// doctor of the clinic.
func doctorSchedule(ctx context.Context, q *db.Queries, cmd care.Command, action care.Action, clinicID, doctorID uuid.UUID, from, to time.Time) (schedule, error) {
	plan, err := readSchedule(ctx, q, clinicID, doctorID, from, to)
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && !plan.doctor) {
		return schedule{}, doctorNotFound(cmd, action, clinicID)
	}
	return plan, err
}

// openOn returns when the doctor sees patients on a day. The day is its local midnight, written as
// if it were UTC.
func (p schedule) openOn(day time.Time) []care.Span {
	spans := openSpans(p.zone, day, p.Openings)
	for _, whole := range clockSpans(p.zone, day, day.AddDate(0, 0, 1)) {
		for _, o := range p.openings {
			if o.Overlaps(whole) {
				spans = append(spans, intersect(o, whole))
			}
		}
	}
	return subtract(union(spans, false), p.closings)
}

// isOpen reports whether the doctor sees patients during the whole slot. Without hours, only
// closings restrict the clinic's staff: a clinic that never set hours may book any time.
func (p schedule) isOpen(slot care.Span, asked bool) bool {
	if p.Default && !asked {
		return !slices.ContainsFunc(p.closings, slot.Overlaps)
	}
	var spans []care.Span
	year, month, first := slot.StartsAt.In(p.zone).Date()
	for i := range int(longest/(24*time.Hour)) + 2 { // The maximum number of days that a slot overlaps with.
		spans = append(spans, p.openOn(time.Date(year, month, first+i, 0, 0, 0, 0, time.UTC))...)
	}
	return slices.ContainsFunc(union(spans, true), func(s care.Span) bool {
		return !s.StartsAt.After(slot.StartsAt) && !s.EndsAt.Before(slot.EndsAt)
	})
}

// intersect returns the intersection of two overlapping spans.
func intersect(s, within care.Span) care.Span {
	if within.StartsAt.After(s.StartsAt) {
		s.StartsAt = within.StartsAt
	}
	if within.EndsAt.Before(s.EndsAt) {
		s.EndsAt = within.EndsAt
	}
	return s
}

// union sorts the spans and merges those that overlap, and adjacent ones if touching is set.
func union(spans []care.Span, touching bool) []care.Span {
	slices.SortFunc(spans, func(a, b care.Span) int { return a.StartsAt.Compare(b.StartsAt) })
	var merged []care.Span
	for _, next := range spans {
		last := len(merged) - 1
		if last < 0 || merged[last].EndsAt.Before(next.StartsAt) || (!touching && merged[last].EndsAt.Equal(next.StartsAt)) {
			merged = append(merged, next)
			continue
		}
		if next.EndsAt.After(merged[last].EndsAt) {
			merged[last].EndsAt = next.EndsAt
		}
	}
	return merged
}

// subtract returns the parts of the spans that are outside of the closings.
func subtract(spans, closings []care.Span) []care.Span {
	for _, c := range closings {
		var left []care.Span
		for _, s := range spans {
			if !s.Overlaps(c) {
				left = append(left, s)
				continue
			}
			if s.StartsAt.Before(c.StartsAt) {
				left = append(left, care.Span{StartsAt: s.StartsAt, EndsAt: c.StartsAt})
			}
			if c.EndsAt.Before(s.EndsAt) {
				left = append(left, care.Span{StartsAt: c.EndsAt, EndsAt: s.EndsAt})
			}
		}
		spans = left
	}
	return spans
}
