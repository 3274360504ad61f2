package meaning

import (
	"slices"
	"strings"

	"carewire/internal/fhirimport/fhir"
)

// absences are the concepts that deny allergies, problems or treatments. As an allergy or a
// condition they would be counted as one. They are SNOMED CT's, the codes of HL7's
// absent-unknown-uv-ips, and nilknown of list-empty-reason.
var absences = []string{
	"716186003",  // No known allergy
	"409137002",  // No known drug allergy
	"428607008",  // No known environmental allergy
	"429625007",  // No known food allergy
	"428197003",  // No known insect allergy
	"716220001",  // No known animal allergy
	"1003774007", // No known latex allergy
	"160244002",  // No known allergies (inactive)
	"160245001",  // No current problems or disability
	"787480003",  // No known procedures
	"787481004",  // No known medications
	"no-known-allergies", "no-known-medication-allergies", "no-known-environmental-allergies", "no-known-food-allergies", "no-allergy-info",
	"no-known-problems", "no-problem-info", "no-known-medications", "no-medication-info", "nilknown",
}

// absenceTexts are the same as texts, in lower case.
var absenceTexts = []string{
	"no known allergy", "no known allergies", "no known drug allergy", "no known drug allergies", "no known medication allergies", "no known food allergies",
	"no known environmental allergies", "nka", "nkda", "no allergies", "keine allergien", "keine allergien bekannt", "no known problems", "none known", "none",
}

// IsAbsence reports whether the concept denies what its resource would assert.
func IsAbsence(c *fhir.CodeableConcept) bool {
	if c == nil {
		return false
	}
	if c.HasCode(absences...) {
		return true
	}
	isText := func(text string) bool {
		return slices.Contains(absenceTexts, strings.ToLower(strings.Trim(text, " .")))
	}
	return isText(c.Text) || slices.ContainsFunc(c.Coding, func(one fhir.Coding) bool { return isText(one.Display) })
}
