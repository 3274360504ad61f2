package ehr

import "carewire/internal/care"

// MedicalHistory is one entry of the patient's history: a previous condition of the patient or
// their family. For the category family it is FHIR R4's FamilyMemberHistory. Code is the condition,
// operation or habit; EffectiveAt is the time at which it was reported.
type MedicalHistory struct {
	Head
	Category     string  `json:"category" enum:"medical,surgical,family,social,obstetric,medication,travel" doc:"The part of the history."`
	Relationship *Coding `json:"relationship,omitempty" doc:"The relative, in the category family: v3 RoleCode, such as MTH for the mother."`
	Period       *Period `json:"period,omitempty" doc:"The time at which it occurred."`
	PeriodText   string  `json:"periodText,omitempty" text:"line" maxLength:"200" doc:"The time at which it occurred, if the day is not known." example:"at the age of 52"`
	Outcome      *Coding `json:"outcome,omitempty"`
	Deceased     *bool   `json:"deceased,omitempty" doc:"Whether the relative has died."`
	Note         string  `json:"note,omitempty" maxLength:"10000"`
}

// Kind implements Body.
func (*MedicalHistory) Kind() Spec {
	return Spec{
		Name: "medical_history", Path: "medical-history",
		// FHIR R4's value set history-status.
		Transitions: Transitions{
			{"partial", []string{"completed", "health-unknown"}},
			{"completed", []string{"partial", "health-unknown"}},
			{"health-unknown", []string{"partial", "completed"}},
		},
		Example: `{"status": "completed", "category": "family", "code": {"system": "http://snomed.info/sct", "code": "22298006", "display": "Myocardial infarction"},
			"effectiveAt": "2026-03-14T09:30:00Z", "periodText": "at the age of 52",
			"relationship": {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "FTH", "display": "father"}}`,
	}
}

// Validate implements Body.
func (r *MedicalHistory) Validate() error {
	var errs care.FieldErrors
	r.check(&errs, r.Kind())
	if r.Category == "" {
		errs.Add("category", "is required")
	}
	oneOf(&errs, "category", r.Category, "medical", "surgical", "family", "social", "obstetric", "medication", "travel")
	checkCode(&errs, "relationship", r.Relationship)
	if r.Category == "family" && r.Relationship == nil {
		errs.Add("relationship", "is required in the category family")
	}
	checkPeriod(&errs, "period", r.Period)
	errs.Line("periodText", r.PeriodText, 0, 200)
	checkCode(&errs, "outcome", r.Outcome)
	errs.Text("note", r.Note, 0, noteLength)
	return errs.Err()
}

func (r *MedicalHistory) checkMeaning(errs *care.FieldErrors) { checkPast(errs, "period", r.Period) }
