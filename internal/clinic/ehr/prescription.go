package ehr

import "carewire/internal/care"

// Prescription is an order for a medicine: FHIR R4's MedicationRequest. Code is the medicine,
// EffectiveAt is authoredOn.
type Prescription struct {
	Head
	Intent             string   `json:"intent,omitempty" enum:"proposal,plan,order,original-order,reflex-order,filler-order,instance-order,option" default:"order" doc:"The intent."`
	Priority           string   `json:"priority,omitempty" enum:"routine,urgent,asap,stat"`
	StatusReason       *Coding  `json:"statusReason,omitempty" doc:"The reason that it is on hold, stopped or cancelled."`
	Reasons            []Coding `json:"reasons,omitempty" maxItems:"100" doc:"The indications: SNOMED CT or ICD-10."`
	Dosage             string   `json:"dosage,omitempty" maxLength:"2000" doc:"The dosage instructions for the patient." example:"One tablet in the morning"`
	DosageInstructions []Dosage `json:"dosageInstructions,omitempty" maxItems:"100" doc:"The structured dosage instructions, in order."`
	Quantity           *Decimal `json:"quantity,omitempty" doc:"The quantity of one fill."`
	QuantityUnit       string   `json:"quantityUnit,omitempty" text:"line" maxLength:"50" example:"tablet"`
	Refills            *int     `json:"refills,omitempty" minimum:"0" maximum:"99" doc:"The number of refills."`
	ValidityPeriod     *Period  `json:"validityPeriod,omitempty" doc:"The period in which it may be filled."`
	Substitution       *bool    `json:"substitutionAllowed,omitempty" doc:"Whether another product may be substituted."`
	Note               string   `json:"note,omitempty" maxLength:"10000"`
}

// Dosage is one step of the dosage instructions.
type Dosage struct {
	Text     string    `json:"text,omitempty" maxLength:"2000" example:"One tablet in the morning"`
	AsNeeded *bool     `json:"asNeeded,omitempty" doc:"Take it only when needed."`
	Route    *Coding   `json:"route,omitempty" doc:"The route of administration: SNOMED CT."`
	Dose     *Quantity `json:"dose,omitempty" doc:"The amount of one dose."`
	// Frequency in Period of PeriodUnit is FHIR's timing.repeat: 2 in 1 d is twice a day.
	Frequency  *int     `json:"frequency,omitempty" minimum:"1" maximum:"1000" doc:"The number of doses in one period."`
	Period     *Decimal `json:"period,omitempty" doc:"The length of the period, in periodUnit."`
	PeriodUnit string   `json:"periodUnit,omitempty" enum:"s,min,h,d,wk,mo,a"`
}

// Kind implements Body.
func (*Prescription) Kind() Spec {
	return Spec{
		Name: "prescription", Path: "prescriptions",
		// FHIR R4's value set medicationrequest-status.
		Transitions: Transitions{
			{"active", []string{"on-hold", "cancelled", "completed", "stopped", "unknown"}},
			{"on-hold", []string{"active", "cancelled", "completed", "stopped", "unknown"}},
			{"cancelled", nil},
			{"completed", nil},
			{"stopped", nil},
			{"draft", []string{"active", "on-hold", "cancelled", "unknown"}},
			{"unknown", []string{"active", "on-hold", "cancelled", "completed", "stopped", "draft"}},
		},
		Released: []string{"active", "on-hold", "cancelled", "completed", "stopped", "unknown"}, Void: []string{"cancelled", "unknown"},
		StatusFields: []string{"statusReason"},
		Example: `{"status": "active", "intent": "order",
			"code": {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "314076", "display": "lisinopril 10 MG Oral Tablet"},
			"effectiveAt": "2026-03-14T09:30:00Z", "dosage": "One tablet in the morning",
			"dosageInstructions": [{"dose": {"value": 10, "unit": "mg"}, "frequency": 1, "period": 1, "periodUnit": "d",
				"route": {"system": "http://snomed.info/sct", "code": "26643006", "display": "Oral route"}}],
			"quantity": 30, "quantityUnit": "tablet", "refills": 2, "substitutionAllowed": true,
			"validityPeriod": {"start": "2026-03-14T00:00:00Z", "end": "2027-03-14T00:00:00Z"}}`,
	}
}

// Validate implements Body.
func (r *Prescription) Validate() error {
	var errs care.FieldErrors
	r.check(&errs, r.Kind())
	oneOf(&errs, "intent", r.Intent, "proposal", "plan", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option")
	oneOf(&errs, "priority", r.Priority, "routine", "urgent", "asap", "stat")
	checkCode(&errs, "statusReason", r.StatusReason)
	eachCode(&errs, "reasons", r.Reasons)
	errs.Text("dosage", r.Dosage, 0, 2000)
	each(&errs, "dosageInstructions", r.DosageInstructions, maxList, func(errs *care.FieldErrors, path string, d Dosage) { d.check(errs, path) })
	r.Quantity.check(&errs, "quantity")
	errs.Line("quantityUnit", r.QuantityUnit, 0, 50)
	if r.Refills != nil && (*r.Refills < 0 || *r.Refills > 99) {
		errs.Add("refills", "must be 0 to 99")
	}
	checkPeriod(&errs, "validityPeriod", r.ValidityPeriod)
	errs.Text("note", r.Note, 0, noteLength)
	return errs.Err()
}

func (d Dosage) check(errs *care.FieldErrors, path string) {
	errs.Text(path+".text", d.Text, 0, 2000)
	checkCode(errs, path+".route", d.Route)
	checkQuantity(errs, path+".dose", d.Dose)
	if d.Frequency != nil && (*d.Frequency < 1 || *d.Frequency > 1000) {
		errs.Add(path+".frequency", "must be 1 to 1000")
	}
	d.Period.check(errs, path+".period")
	oneOf(errs, path+".periodUnit", d.PeriodUnit, "s", "min", "h", "d", "wk", "mo", "a")
	// FHIR R4, tim-2 and tim-5: a period requires a unit, and is not negative.
	if d.Period != nil && (d.PeriodUnit == "" || (*d.Period)[0] == '-') {
		errs.Add(path+".period", "must not be negative, and requires periodUnit")
	}
	if d.Period == nil && d.PeriodUnit != "" {
		errs.Add(path+".period", "is required with periodUnit")
	}
}
