package fhir

import (
	"carewire/internal/clinic/ehr"
)

// minuteLength is the length of a time without seconds and time zone.
const minuteLength = len("2006-01-02T15:04")

// ParseTime parses FHIR R4's date, dateTime or instant: a year, a month, a day, or a time with its
// time zone. A time may lack its seconds, which FHIR requires and some systems omit. The error
// describes the fault without the text.
func ParseTime(text string) (ehr.Time, error) {
	if len(text) > minuteLength && (text[minuteLength] == 'Z' || text[minuteLength] == 'z' || text[minuteLength] == '+' || text[minuteLength] == '-') {
		text = text[:minuteLength] + ":00" + text[minuteLength:]
	}
	return ehr.ParseTime(text)
}

// OptionalTime parses a time, or returns nil for an empty text.
func OptionalTime(path, text string) (*ehr.Time, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // An absent time is not an error.
	}
	t, err := ParseTime(text)
	if err != nil {
		return nil, NewError(path, err.Error())
	}
	return &t, nil
}

// FirstTime returns the first time that is present. pairs are paths and texts in turn.
func FirstTime(typ string, pairs ...string) (ehr.Time, error) {
	for i := 0; i+1 < len(pairs); i += 2 {
		t, err := OptionalTime(typ+"."+pairs[i], pairs[i+1])
		if err != nil {
			return ehr.Time{}, err
		}
		if t != nil {
			return *t, nil
		}
	}
	return ehr.Time{}, NewError(typ+"."+pairs[0], "is missing")
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
