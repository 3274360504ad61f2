package mapping

import (
	"strconv"
	"time"

	"carewire/internal/fhirimport/fhir"
)

// patientState are the elements of a Patient that say that it is no longer, or not any more a
// record of its own.
type patientState struct {
	Active           *bool         `json:"active"`
	DeceasedBoolean  *bool         `json:"deceasedBoolean"`
	DeceasedDateTime string        `json:"deceasedDateTime"`
	Link             []patientLink `json:"link"`
}

type patientLink struct {
	Other *fhir.Reference `json:"other"`
	Type  string          `json:"type"`
}

// apply records a death and an inactive record in the draft, and links that are not kept.
func (p *patientState) apply(d *Draft) {
	const typ = "Patient"
	switch day := dayOf(p.DeceasedDateTime); {
	case day != "":
		d.User.DeceasedOn = day
	case p.DeceasedDateTime != "" || (p.DeceasedBoolean != nil && *p.DeceasedBoolean):
		d.User.Inactive = true
		d.Note(typ+".deceased", "has no day: the account is disabled; record the death in carewire with its day")
	case p.Active != nil && !*p.Active:
		d.User.Inactive = true
		d.Note(typ+".active", "is false: the account is disabled")
	}
	for i, l := range p.Link {
		if l.Type != "replaces" {
			d.Note(typ+".link["+strconv.Itoa(i)+"]", "is not kept: merge the people in carewire if they are the same person")
		}
	}
}

// dayOf returns the day of a date or time, or "" if it has none. The day of a time is the one at
// the place where it was written.
func dayOf(text string) string {
	if t, err := fhir.ParseTime(text); err != nil || !t.HasDay() {
		return ""
	}
	return text[:len(time.DateOnly)]
}

// survivor returns the patient that replaces this one, or nil.
func (p *patientState) survivor() *fhir.Reference {
	for _, l := range p.Link {
		if l.Type == "replaced-by" && l.Other != nil {
			return l.Other
		}
	}
	return nil
}

// KindReplaced is the kind of a patient that another one replaces: references to it mean the other
// one.
const KindReplaced = "replaced"

// ReplacedBy returns the draft of a patient that another one replaces. The keys are those of the
// other one.
func ReplacedBy(survivor ...fhir.Key) *Draft {
	return &Draft{
		Kind: KindReplaced, Patient: survivor, PatientPath: "link.other",
		LeftOut: []fhir.Error{{Path: "Patient.link", Reason: "is replaced by another patient: references mean that one"}},
	}
}

// ReplacedPatients returns the patients that a Patient replaces.
func ReplacedPatients(raw []byte) []fhir.Key {
	var p struct {
		Link []patientLink `json:"link"`
	}
	if fhir.Decode("Patient", raw, &p) != nil {
		return nil
	}
	var keys []fhir.Key
	for _, l := range p.Link {
		if l.Type == "replaces" {
			keys = append(keys, l.Other.Keys("Patient")...)
		}
	}
	return keys
}
