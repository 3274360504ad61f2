package fhir

import "time"

// Includes reports whether the period includes now. A day, month or year that ends a period is part
// of it. A date that cannot be parsed does not end a period.
func (p *Period) Includes(now time.Time) bool {
	return p == nil || !p.HasEnded(now) && !p.startsLater(now)
}

// HasEnded reports whether the period ended before now.
func (p *Period) HasEnded(now time.Time) bool {
	if p == nil {
		return false
	}
	t, err := ParseTime(p.End)
	return err == nil && !now.Before(t.End())
}

func (p *Period) startsLater(now time.Time) bool {
	t, err := ParseTime(p.Start)
	return err == nil && now.Before(t.Start())
}
