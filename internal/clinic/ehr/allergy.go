package ehr

import (
	"fmt"

	"carewire/internal/care"
)

// Allergy is an allergy or intolerance of a patient: FHIR R4's AllergyIntolerance. Code is the
// substance or product, EffectiveAt is recordedDate, and Status is clinicalStatus.
type Allergy struct {
	Head
	VerificationStatus string     `json:"verificationStatus,omitempty" enum:"unconfirmed,confirmed,refuted" doc:"The certainty. A record that was entered in error has that status instead."`
	Type               string     `json:"type,omitempty" enum:"allergy,intolerance"`
	Categories         []string   `json:"categories,omitempty" maxItems:"100" enum:"food,medication,environment,biologic"`
	Criticality        string     `json:"criticality,omitempty" enum:"low,high,unable-to-assess" doc:"The potential harm of the next exposure."`
	OnsetAt            *Time      `json:"onsetAt,omitempty" doc:"The start."`
	LastOccurrenceAt   *Time      `json:"lastOccurrenceAt,omitempty"`
	Reactions          []Reaction `json:"reactions,omitempty" maxItems:"100"`
	Note               string     `json:"note,omitempty" maxLength:"10000"`
}

// Reaction is the effect of one exposure on the patient.
type Reaction struct {
	Substance      *Coding  `json:"substance,omitempty" doc:"The exact substance, if the record's code is a group."`
	Manifestations []Coding `json:"manifestations" minItems:"1" maxItems:"100" doc:"Signs and symptoms: SNOMED CT."`
	Severity       string   `json:"severity,omitempty" enum:"mild,moderate,severe"`
	OnsetAt        *Time    `json:"onsetAt,omitempty"`
	ExposureRoute  *Coding  `json:"exposureRoute,omitempty"`
	Description    string   `json:"description,omitempty" maxLength:"2000"`
}

// Kind implements Body.
func (*Allergy) Kind() Spec {
	return Spec{
		Name: "allergy", Path: "allergies",
		// FHIR R4's value set allergyintolerance-clinical, and unknown, for which FHIR has no code.
		Transitions: Transitions{
			{"active", []string{"inactive", "resolved", "unknown"}},
			{"inactive", []string{"active", "resolved", "unknown"}},
			{"resolved", []string{"active", "inactive", "unknown"}},
			{"unknown", []string{"active", "inactive", "resolved"}},
		},
		Example: `{"status": "active", "code": {"system": "http://snomed.info/sct", "code": "91935009", "display": "Allergy to peanut"},
			"effectiveAt": "2026-03-14T09:30:00Z", "verificationStatus": "confirmed", "type": "allergy", "categories": ["food"], "criticality": "high",
			"reactions": [{"manifestations": [{"system": "http://snomed.info/sct", "code": "39579001", "display": "Anaphylaxis"}], "severity": "severe"}]}`,
	}
}

// Validate implements Body.
func (r *Allergy) Validate() error {
	var errs care.FieldErrors
	r.check(&errs, r.Kind())
	oneOf(&errs, "verificationStatus", r.VerificationStatus, "unconfirmed", "confirmed", "refuted")
	oneOf(&errs, "type", r.Type, "allergy", "intolerance")
	eachOf(&errs, "categories", r.Categories, "food", "medication", "environment", "biologic")
	oneOf(&errs, "criticality", r.Criticality, "low", "high", "unable-to-assess")
	checkTime(&errs, "onsetAt", r.OnsetAt)
	checkTime(&errs, "lastOccurrenceAt", r.LastOccurrenceAt)
	each(&errs, "reactions", r.Reactions, maxList, func(errs *care.FieldErrors, path string, reaction Reaction) { reaction.check(errs, path) })
	errs.Text("note", r.Note, 0, noteLength)
	return errs.Err()
}

func (r Reaction) check(errs *care.FieldErrors, path string) {
	checkCode(errs, path+".substance", r.Substance)
	if len(r.Manifestations) == 0 {
		errs.Add(path+".manifestations", "must have at least one item")
	}
	eachCode(errs, path+".manifestations", r.Manifestations)
	oneOf(errs, path+".severity", r.Severity, "mild", "moderate", "severe")
	checkTime(errs, path+".onsetAt", r.OnsetAt)
	checkCode(errs, path+".exposureRoute", r.ExposureRoute)
	errs.Text(path+".description", r.Description, 0, 2000)
}

func (r *Allergy) checkMeaning(errs *care.FieldErrors) {
	checkHappened(errs, "onsetAt", r.OnsetAt)
	checkHappened(errs, "lastOccurrenceAt", r.LastOccurrenceAt)
	for i, reaction := range r.Reactions {
		checkHappened(errs, fmt.Sprintf("reactions[%d].onsetAt", i), reaction.OnsetAt)
	}
}
