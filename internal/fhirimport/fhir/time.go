package fhir

import (
	"time"

	"carewire/internal/clinic/ehr"
)

// moment reads FHIR R4's date, dateTime or instant: a year, a month, a day or a time. What is not told is the earliest.
func ParseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "2006-01", "2006"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// at reads a time that may be left out.
func OptionalTime(path, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // No time is no error.
	}
	t, ok := ParseTime(text)
	if !ok {
		return nil, NewError(path, "is not a date or time")
	}
	return &t, nil
}

// when gives the first of the times that is there; pairs are a path and its text.
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

func (p *Period) EHRPeriod(path string) (*ehr.Period, error) {
	if p == nil || (p.Start == "" && p.End == "") {
		return nil, nil //nolint:nilnil // No period is no error.
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
