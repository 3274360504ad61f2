package people

import (
	"time"

	"carewire/internal/fhirimport/fhir"
)

// Identifier is an Identifier with the elements that say whether it is still valid.
type Identifier struct {
	fhir.Identifier
	Use    string       `json:"use"`
	Period *fhir.Period `json:"period"`
}

func (i *Identifier) isValid(now time.Time) bool { return i.Use != "old" && i.Period.Includes(now) }

// Aliases returns the valid identifiers by which other resources may refer to this one.
func Aliases(ids []Identifier, now time.Time) []string {
	var all []string
	for _, id := range ids {
		if id.isValid(now) {
			all = append(all, id.Aliases()...)
		}
	}
	return all
}
