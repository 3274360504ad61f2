package fhirimport

import (
	"cmp"

	"carewire/internal/care"
	"carewire/internal/fhirimport/fhir"
)

// clean makes one line of every name, number and title of the draft, and notes what lost more than spaces at its ends: nobody
// can be asked to type it again, and a person is not left out for a line break in their name.
func (d *draft) clean() {
	for _, what := range []any{d.body, d.clinic, d.user, d.invoice} {
		care.CleanLines(what, func(path string) {
			d.without = append(d.without, fhir.Error{Path: d.path(path), Reason: "held line breaks, control characters or what cannot be seen; it was made one line"})
		})
	}
	if d.user != nil {
		d.user.GivenName, d.user.FamilyName = cmp.Or(d.user.GivenName, unknownName), cmp.Or(d.user.FamilyName, unknownName)
	}
	if d.invoice != nil && d.invoice.Number != nil && *d.invoice.Number == "" {
		d.invoice.Number = nil
	}
}
