package ehr

import (
	"encoding/json"
	"errors"
	"time"

	"carewire/internal/care"
)

// Time is a time as precisely as it is known: a year, a month, a day or an instant, like FHIR R4's
// dateTime. In JSON it is a string such as "2019", "2019-03", "2019-03-15" or RFC 3339's
// "2019-03-15T10:00:00Z".
type Time struct {
	// start is the instant, or the start of a partial date in UTC.
	start time.Time
	// partial is the text of a year, a month or a day, and empty for an instant.
	partial string
	// fault is the reason why a decoded text is not a time. Validate reports it with its path.
	fault error
}

// At returns the time of an instant.
func At(t time.Time) Time { return Time{start: t} }

// The errors of ParseTime.
var (
	ErrTimeForm = errors.New("must be a year, a month, a day or an RFC 3339 date and time, such as 2019, 2019-03, 2019-03-15 or 2026-03-14T09:30:00Z")
	ErrTimeZone = errors.New("must have a time zone, such as 2026-03-14T09:30:00Z or 2026-03-14T09:30:00+01:00")
	errDay      = errors.New("is not a day of the calendar")
	errClock    = errors.New("is not a time of day from 00:00:00 to 23:59:60")
)

// Lengths of the texts of a year, a month and a day.
const (
	yearLength  = len("2006")
	monthLength = len("2006-01")
	dayLength   = len("2006-01-02")
	clockLength = len("15:04:05")
)

// ParseTime parses a year, a month, a day (ISO 8601) or RFC 3339's date and time. As in RFC 3339,
// t and z may be lower case, and a leap second (:60) is the last second of its minute. It keeps 9
// digits of a second. As in FHIR's dateTime, and unlike in RFC 3339, any minute may have a leap
// second, and offsets end at 14 hours. The errors describe the fault and do not contain the text.
func ParseTime(text string) (Time, error) {
	if len(text) <= dayLength {
		return parsePartial(text)
	}
	day, err := parsePartial(text[:dayLength])
	if err != nil {
		return Time{}, err
	}
	if text[dayLength] != 'T' && text[dayLength] != 't' {
		return Time{}, ErrTimeForm
	}
	clock := text[dayLength+1:]
	hour, minute, second, nanos, zone, err := parseClock(clock)
	if err != nil {
		return Time{}, err
	}
	location, err := parseZone(zone)
	if err != nil {
		return Time{}, err
	}
	year, month, d := day.start.Date()
	return Time{start: time.Date(year, month, d, hour, minute, min(second, 59), nanos, location)}, nil
}

func parsePartial(text string) (Time, error) {
	year, month, day := 0, 1, 1
	ok := len(text) == yearLength || len(text) == monthLength || len(text) == dayLength
	ok = ok && parseDigits(text[:yearLength], &year)
	if ok && len(text) >= monthLength {
		ok = text[yearLength] == '-' && parseDigits(text[yearLength+1:monthLength], &month)
	}
	if ok && len(text) == dayLength {
		ok = text[monthLength] == '-' && parseDigits(text[monthLength+1:], &day)
	}
	if !ok {
		return Time{}, ErrTimeForm
	}
	start := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if year == 0 || start.Month() != time.Month(month) || start.Day() != day {
		return Time{}, errDay
	}
	return Time{start: start, partial: text}, nil
}

// parseClock parses the part of a time after the day. zone is its rest.
func parseClock(text string) (hour, minute, second, nanos int, zone string, err error) {
	if len(text) < clockLength || text[2] != ':' || text[5] != ':' ||
		!parseDigits(text[:2], &hour) || !parseDigits(text[3:5], &minute) || !parseDigits(text[6:clockLength], &second) {
		return 0, 0, 0, 0, "", ErrTimeForm
	}
	if hour > 23 || minute > 59 || second > 60 {
		return 0, 0, 0, 0, "", errClock
	}
	zone = text[clockLength:]
	if len(zone) > 0 && zone[0] == '.' {
		digits := 1
		for scale := 100_000_000; digits < len(zone) && '0' <= zone[digits] && zone[digits] <= '9'; digits++ {
			nanos += int(zone[digits]-'0') * scale
			scale /= 10
		}
		if digits == 1 {
			return 0, 0, 0, 0, "", ErrTimeForm
		}
		zone = zone[digits:]
	}
	return hour, minute, second, nanos, zone, nil
}

// parseZone parses Z or an offset of at most 14 hours, the largest that is in use.
func parseZone(text string) (*time.Location, error) {
	if text == "Z" || text == "z" {
		return time.UTC, nil
	}
	var hours, minutes int
	if len(text) != len("+01:00") || (text[0] != '+' && text[0] != '-') || text[3] != ':' ||
		!parseDigits(text[1:3], &hours) || !parseDigits(text[4:], &minutes) || minutes > 59 || hours*60+minutes > 14*60 {
		return nil, ErrTimeZone
	}
	offset := (hours*60 + minutes) * 60
	if text[0] == '-' {
		offset = -offset
	}
	return time.FixedZone("", offset), nil
}

func parseDigits(text string, n *int) bool {
	*n = 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return false
		}
		*n = *n*10 + int(c-'0')
	}
	return true
}

// IsPartial reports whether only the year, the month or the day is known.
func (t Time) IsPartial() bool { return t.partial != "" }

// HasDay reports whether the day is known.
func (t Time) HasDay() bool { return len(t.partial) == 0 || len(t.partial) == dayLength }

// Start returns the instant, or the start of a partial date in UTC. A partial date is that date in
// the time zone of its clinic: see StartIn.
func (t Time) Start() time.Time { return t.start }

// StartIn returns the instant, or the start of a partial date in the time zone.
func (t Time) StartIn(zone *time.Location) time.Time {
	if !t.IsPartial() {
		return t.start
	}
	year, month, day := t.start.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, zone)
}

// End returns the instant, or the end of a partial date in UTC.
func (t Time) End() time.Time {
	switch len(t.partial) {
	case yearLength:
		return t.start.AddDate(1, 0, 0)
	case monthLength:
		return t.start.AddDate(0, 1, 0)
	case dayLength:
		return t.start.AddDate(0, 0, 1)
	}
	return t.start
}

// before reports whether t is certainly before u. A partial date may be in any time zone.
func (t Time) before(u Time) bool {
	allowance := time.Duration(0)
	if t.IsPartial() != u.IsPartial() {
		allowance = clockAllowance
	}
	if !t.IsPartial() {
		return t.start.Add(allowance).Before(u.start)
	}
	return !t.End().Add(allowance).After(u.start)
}

// normal returns the time as it is stored: an instant in UTC with PostgreSQL's resolution of
// microseconds.
func (t Time) normal() Time {
	t.start = t.start.UTC().Truncate(time.Microsecond)
	return t
}

// String returns the text of the time, as in JSON.
func (t Time) String() string {
	if t.IsPartial() {
		return t.partial
	}
	return t.start.Format(time.RFC3339Nano)
}

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	switch {
	case t.fault != nil:
		return nil, t.fault
	case t.IsPartial():
		return json.Marshal(t.partial)
	}
	return t.start.MarshalJSON()
}

// UnmarshalJSON implements json.Unmarshaler. A text that is not a time is not an error: Validate
// reports it with the path of the field.
func (t *Time) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	var err error
	if *t, err = ParseTime(text); err != nil {
		t.fault = err
	}
	return nil
}

// checkTime ignores nil. Planned times may be far in the future.
func checkTime(errs *care.FieldErrors, path string, t *Time) {
	switch {
	case t == nil:
	case t.fault != nil:
		errs.Add(path, "%s", t.fault.Error())
	case t.start.Before(earliest) || t.start.After(time.Now().AddDate(50, 0, 0)):
		errs.Add(path, "must be from %s to fifty years from now", earliest.Format(time.RFC3339))
	}
}

// checkHappened ignores nil.
func checkHappened(errs *care.FieldErrors, path string, t *Time) {
	if t != nil && t.start.After(time.Now().Add(clockAllowance)) {
		errs.Add(path, "must be at most one day in the future: a record in this status describes the past")
	}
}
