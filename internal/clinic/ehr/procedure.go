package ehr

import "carewire/internal/care"

// Procedure is a procedure that was, or will be, performed on the patient: FHIR R4's Procedure.
// EffectiveAt is its start, or the time at which it was recorded; PerformedPeriod is its duration.
type Procedure struct {
	Head
	StatusReason    *Coding  `json:"statusReason,omitempty" doc:"The reason that it was stopped or not done."`
	Category        *Coding  `json:"category,omitempty" doc:"SNOMED CT, such as surgical procedure."`
	PerformedPeriod *Period  `json:"performedPeriod,omitempty"`
	Reasons         []Coding `json:"reasons,omitempty" maxItems:"100" doc:"The indications: SNOMED CT or ICD-10."`
	BodySites       []Coding `json:"bodySites,omitempty" maxItems:"100"`
	Outcome         *Coding  `json:"outcome,omitempty" doc:"SNOMED CT: successful, unsuccessful, partially successful."`
	Complications   []Coding `json:"complications,omitempty" maxItems:"100"`
	FollowUp        string   `json:"followUp,omitempty" maxLength:"2000" doc:"The follow-up."`
	Note            string   `json:"note,omitempty" maxLength:"10000"`
}

// Kind implements Body.
func (*Procedure) Kind() Spec {
	return Spec{
		Name: "procedure", Path: "procedures",
		// FHIR R4's value set event-status.
		Transitions: Transitions{
			{"preparation", []string{"in-progress", "not-done", "on-hold", "completed", "unknown"}},
			{"in-progress", []string{"on-hold", "stopped", "completed", "unknown"}},
			{"not-done", nil},
			{"on-hold", []string{"in-progress", "not-done", "stopped", "completed", "unknown"}},
			{"stopped", nil},
			{"completed", nil},
			{"unknown", []string{"preparation", "in-progress", "not-done", "on-hold", "stopped", "completed"}},
		},
		Released: []string{"not-done", "stopped", "completed"}, StatusFields: []string{"statusReason"},
		Example: `{"status": "completed", "code": {"system": "http://snomed.info/sct", "code": "80146002", "display": "Appendectomy"},
			"effectiveAt": "2026-03-14T09:30:00Z", "performedPeriod": {"start": "2026-03-14T09:30:00Z", "end": "2026-03-14T10:40:00Z"},
			"reasons": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "K35.8", "display": "Acute appendicitis"}],
			"outcome": {"system": "http://snomed.info/sct", "code": "385669000", "display": "Successful"}}`,
	}
}

// Validate implements Body.
func (r *Procedure) Validate() error {
	var errs care.FieldErrors
	r.check(&errs, r.Kind())
	checkCode(&errs, "statusReason", r.StatusReason)
	checkCode(&errs, "category", r.Category)
	checkPeriod(&errs, "performedPeriod", r.PerformedPeriod)
	eachCode(&errs, "reasons", r.Reasons)
	eachCode(&errs, "bodySites", r.BodySites)
	checkCode(&errs, "outcome", r.Outcome)
	eachCode(&errs, "complications", r.Complications)
	errs.Text("followUp", r.FollowUp, 0, 2000)
	errs.Text("note", r.Note, 0, noteLength)
	return errs.Err()
}

func (r *Procedure) checkMeaning(errs *care.FieldErrors) {
	checkPast(errs, "performedPeriod", r.PerformedPeriod)
}
