package mapping

import (
	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
)

// Undated describes a draft whose resource has none of the dates that it could be dated by. The
// start of its encounter dates it, else LastUpdated.
type Undated struct {
	// Path is the path of the missing date.
	Path string
	// LastUpdated is the resource's meta.lastUpdated, or zero.
	LastUpdated ehr.Time
	// Always dates a resource without any of them by the time of the import: it is too important to
	// be left out for want of a date.
	Always bool
	// Set sets the date.
	Set func(ehr.Time)
}

// meta is the part of FHIR R4's Meta that is read.
type meta struct {
	LastUpdated string `json:"lastUpdated"`
}

// dated is a date, and how it was found.
type dated struct {
	ehr.Time
	path string
	// instead is the path of the element that was used in place of the missing one at path.
	instead string
	missing bool
}

// firstDate returns the first date that is present. pairs are paths and texts in turn, in the order
// of docs/fhir.md. The first count of them are the date of the resource itself, as an element of a
// choice type; the others take its place. A date that is missing is no error: see Undated.
func firstDate(typ string, count int, pairs ...string) (dated, error) {
	for i := 0; i+1 < len(pairs); i += 2 {
		t, err := fhir.OptionalTime(typ+"."+pairs[i], pairs[i+1])
		if err != nil {
			return dated{}, err
		}
		if t == nil {
			continue
		}
		d := dated{Time: *t, path: typ + "." + pairs[0]}
		if i/2 >= count {
			d.instead = pairs[i]
		}
		return d, nil
	}
	return dated{path: typ + "." + pairs[0], missing: true}, nil
}

// date records in the draft how the date was found. set sets it later if it is missing.
func (d *Draft) date(at dated, m meta, set func(ehr.Time)) {
	switch {
	case at.instead != "":
		d.Note(at.path, "is missing: "+at.instead+" was used")
	case at.missing:
		d.Undated = &Undated{Path: at.path, Set: set}
		if t, err := fhir.ParseTime(m.LastUpdated); err == nil {
			d.Undated.LastUpdated = t
		}
	}
}

// dateHead is date for a record.
func (d *Draft) dateHead(at dated, m meta) {
	d.date(at, m, func(t ehr.Time) { d.Head.EffectiveAt = t })
}

// requireDate is firstDate for a resource that no encounter dates: a date that is missing is an
// error.
func requireDate(typ string, pairs ...string) (dated, error) {
	at, err := firstDate(typ, 1, pairs...)
	if err == nil && at.missing {
		err = fhir.NewError(at.path, "is missing; add it, or "+pairs[len(pairs)-2])
	}
	return at, err
}
