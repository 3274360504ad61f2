package fhir

import (
	"time"

	"carewire/internal/clinic/ehr"
)

// ParseTime parses FHIR R4's date, dateTime or instant: a year, a month, a day or a time. A partial
// date is its earliest moment.
func ParseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "2006-01", "2006"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// OptionalTime parses a time, or returns nil for an empty text.
func OptionalTime(path, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // An absent time is not an error.
	}
	t, ok := ParseTime(text)
	if !ok {
		return nil, NewError(path, "must be a date or time")
	}
	return &t, nil
}

// FirstTime returns the first time that is present. pairs are paths and texts in turn.
func FirstTime(typ string, pairs ...string) (time.Time, error) {
	for i := 0; i+1 < len(pairs); i += 2 {
		t, err := OptionalTime(typ+"."+pairs[i], pairs[i+1])
		if err != nil {
			return time.Time{}, err
		}
		if t != nil {
			return *t, nil
		}
	}
	return time.Time{}, NewError(typ+"."+pairs[0], "is missing")
}

// EHRPeriod returns the period, or nil if it is empty.
func (p *Period) EHRPeriod(path string) (*ehr.Period, error) {
	if p == nil || (p.Start == "" && p.End == "") {
		return nil, nil //nolint:nilnil // An absent period is not an error.
	}
	start, err := OptionalTime(path+".start", p.Start)
	if err != nil {
		return nil, err
	}
	end, err := OptionalTime(path+".end", p.End)
	if err != nil {
		return nil, err
	}
	return &ehr.Period{Start: start, End: end}, nil
}
