package ehr

import (
	"slices"
	"strings"

	"carewire/internal/care"
	"carewire/internal/outbox"
)

// Prescription is an order for a medicine: FHIR R4's MedicationRequest. Code is the medicine, EffectiveAt is authoredOn.
type Prescription struct {
	Head
	Intent       string   `json:"intent,omitempty" enum:"proposal,plan,order,original-order,reflex-order,filler-order,instance-order,option" default:"order" doc:"How binding it is."`
	Dosage       string   `json:"dosage,omitempty" maxLength:"2000" doc:"How to take it, in words for the patient." example:"One tablet in the morning"`
	Quantity     *Decimal `json:"quantity,omitempty" doc:"How much one filling is."`
	QuantityUnit string   `json:"quantityUnit,omitempty" maxLength:"50" example:"tablet"`
	Refills      *int     `json:"refills,omitempty" minimum:"0" maximum:"99" doc:"How often it may be filled again."`
}

// NewPrescriptions serves the kind "prescription".
func NewPrescriptions(writer *outbox.Writer) *Kind[Prescription] {
	return NewKind[Prescription](writer, "prescription")
}

var (
	// requestStatuses and intents are FHIR R4's value sets medicationrequest-status and medicationrequest-intent.
	requestStatuses = []string{"active", "on-hold", "cancelled", "completed", retracted, "stopped", "draft", "unknown"}
	intents         = []string{
		"proposal", "plan", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option",
	}
)

// Validate says all that is wrong with the prescription, each by its path, or nil.
func (r *Prescription) Validate() error {
	var p care.Problems
	r.check(&p, requestStatuses)
	if r.Intent != "" && !slices.Contains(intents, r.Intent) {
		p.Add("intent", "must be one of %s", strings.Join(intents, ", "))
	}
	p.Text("dosage", r.Dosage, 0, 2000)
	r.Quantity.check(&p, "quantity")
	p.Text("quantityUnit", r.QuantityUnit, 0, 50)
	if r.Refills != nil && (*r.Refills < 0 || *r.Refills > 99) {
		p.Add("refills", "must be 0 to 99")
	}
	return p.Err()
}
