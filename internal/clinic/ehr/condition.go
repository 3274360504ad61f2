package ehr

import (
	"slices"

	"carewire/internal/care"
)

// Condition is a diagnosis or problem of a patient: FHIR R4's Condition. Code is the diagnosis,
// EffectiveAt is recordedDate, and Status is clinicalStatus.
type Condition struct {
	Head
	VerificationStatus string   `json:"verificationStatus,omitempty" enum:"unconfirmed,provisional,differential,confirmed,refuted" doc:"The certainty. A record that was entered in error has that status instead."`
	Category           string   `json:"category,omitempty" enum:"problem-list-item,encounter-diagnosis"`
	Severity           *Coding  `json:"severity,omitempty" doc:"SNOMED CT: mild, moderate or severe."`
	BodySites          []Coding `json:"bodySites,omitempty" maxItems:"100"`
	OnsetAt            *Time    `json:"onsetAt,omitempty" doc:"The start."`
	OnsetText          string   `json:"onsetText,omitempty" text:"line" maxLength:"200" doc:"The start, if the day is not known." example:"in childhood"`
	AbatementAt        *Time    `json:"abatementAt,omitempty" doc:"The end; requires the status inactive, remission or resolved."`
	AbatementText      string   `json:"abatementText,omitempty" text:"line" maxLength:"200"`
	Note               string   `json:"note,omitempty" maxLength:"10000"`
}

// Kind implements Body.
func (*Condition) Kind() Spec {
	return Spec{
		Name: "condition", Path: "conditions",
		// FHIR R4's value set condition-clinical, and unknown, for which FHIR has no code.
		Transitions: Transitions{
			{"active", []string{"inactive", "remission", "resolved", "unknown"}},
			{"recurrence", []string{"inactive", "remission", "resolved", "unknown"}},
			{"relapse", []string{"inactive", "remission", "resolved", "unknown"}},
			{"inactive", []string{"active", "recurrence", "relapse", "remission", "resolved", "unknown"}},
			{"remission", []string{"active", "relapse", "inactive", "resolved", "unknown"}},
			{"resolved", []string{"active", "recurrence", "inactive", "unknown"}},
			{"unknown", []string{"active", "recurrence", "relapse", "inactive", "remission", "resolved"}},
		},
		StatusFields: []string{"abatementAt", "abatementText"},
		Example: `{"status": "active", "code": {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9", "display": "Type 2 diabetes mellitus"},
			"effectiveAt": "2026-03-14T09:30:00Z", "verificationStatus": "confirmed", "category": "problem-list-item", "onsetAt": "2025-11-02T00:00:00Z",
			"severity": {"system": "http://snomed.info/sct", "code": "6736007", "display": "Moderate"}}`,
	}
}

// Validate implements Body.
func (r *Condition) Validate() error {
	var errs care.FieldErrors
	r.check(&errs, r.Kind())
	oneOf(&errs, "verificationStatus", r.VerificationStatus, "unconfirmed", "provisional", "differential", "confirmed", "refuted")
	oneOf(&errs, "category", r.Category, "problem-list-item", "encounter-diagnosis")
	checkCode(&errs, "severity", r.Severity)
	eachCode(&errs, "bodySites", r.BodySites)
	checkTime(&errs, "onsetAt", r.OnsetAt)
	errs.Line("onsetText", r.OnsetText, 0, 200)
	errs.Line("abatementText", r.AbatementText, 0, 200)
	checkTime(&errs, "abatementAt", r.AbatementAt)
	if r.AbatementAt != nil && r.OnsetAt != nil && r.AbatementAt.before(*r.OnsetAt) {
		errs.Add("abatementAt", "must not be before onsetAt")
	}
	// FHIR R4, con-4.
	ended := r.AbatementAt != nil || r.AbatementText != ""
	if ended && slices.Contains([]string{"active", "recurrence", "relapse"}, r.Status) {
		errs.Add("status", "must be inactive, remission or resolved once the condition has ended")
	}
	errs.Text("note", r.Note, 0, noteLength)
	return errs.Err()
}

func (r *Condition) checkMeaning(errs *care.FieldErrors) {
	checkHappened(errs, "onsetAt", r.OnsetAt)
	checkHappened(errs, "abatementAt", r.AbatementAt)
}
