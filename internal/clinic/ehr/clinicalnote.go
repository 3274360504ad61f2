package ehr

import (
	"slices"

	"carewire/internal/care"
)

// ClinicalNote is a note of a clinician about the patient: FHIR R4's Composition, or a
// DocumentReference with its text. Code is the type of note in LOINC.
type ClinicalNote struct {
	Head
	Title    string    `json:"title,omitempty" text:"line" maxLength:"200"`
	Sections []Section `json:"sections,omitempty" maxItems:"100" doc:"The text; a final note has at least one section."`
}

// Section is a part of a note.
type Section struct {
	Title string  `json:"title,omitempty" text:"line" maxLength:"200" example:"Assessment and plan"`
	Code  *Coding `json:"code,omitempty" doc:"The type of the section: LOINC."`
	Text  string  `json:"text" minLength:"1" maxLength:"100000"`
}

// Kind implements Body.
func (*ClinicalNote) Kind() Spec {
	return Spec{
		Name: "clinical_note", Path: "clinical-notes",
		// FHIR R4's value set composition-status.
		Transitions: Transitions{
			{"preliminary", []string{"final"}},
			{"final", []string{"amended"}},
			{"amended", nil},
		},
		Released: []string{"final", "amended"}, Corrected: []string{"amended"},
		Example: `{"status": "final", "code": {"system": "http://loinc.org", "code": "11506-3", "display": "Progress note"},
			"effectiveAt": "2026-03-14T09:30:00Z", "title": "Follow-up visit", "sections": [
				{"title": "Assessment and plan", "code": {"system": "http://loinc.org", "code": "51847-2", "display": "Evaluation + Plan note"},
					"text": "Blood pressure well controlled. Continue as before."}
			]}`,
	}
}

// Validate implements Body.
func (r *ClinicalNote) Validate() error {
	var errs care.FieldErrors
	r.check(&errs, r.Kind())
	errs.Line("title", r.Title, 0, 200)
	if len(r.Sections) == 0 && slices.Contains([]string{"final", "amended"}, r.Status) {
		errs.Add("sections", "must have at least one section in this status")
	}
	each(&errs, "sections", r.Sections, maxList, func(errs *care.FieldErrors, path string, s Section) {
		errs.Line(path+".title", s.Title, 0, 200)
		checkCode(errs, path+".code", s.Code)
		errs.Text(path+".text", s.Text, 1, 100_000)
	})
	return errs.Err()
}
