package mapping

import (
	"strings"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
)

type medicationRequest struct {
	common
	Contained           fhir.Contained         `json:"contained"`
	Intent              string                 `json:"intent"`
	Priority            string                 `json:"priority"`
	StatusReason        *fhir.CodeableConcept  `json:"statusReason"`
	Medication          *fhir.CodeableConcept  `json:"medicationCodeableConcept"`
	MedicationReference *fhir.Reference        `json:"medicationReference"`
	AuthoredOn          string                 `json:"authoredOn"`
	Requester           *fhir.Reference        `json:"requester"`
	ReasonCode          []fhir.CodeableConcept `json:"reasonCode"`
	DosageInstruction   []dosage               `json:"dosageInstruction"`
	DispenseRequest     *struct {
		ValidityPeriod *fhir.Period   `json:"validityPeriod"`
		RepeatsAllowed *int           `json:"numberOfRepeatsAllowed"`
		Quantity       *fhir.Quantity `json:"quantity"`
	} `json:"dispenseRequest"`
	Substitution *struct {
		Allowed *bool `json:"allowedBoolean"`
	} `json:"substitution"`
}

func readMedicationRequest(_ *Options, r *fhir.Resource) (*Draft, error) {
	var q medicationRequest
	if err := fhir.Decode(r.Type, r.Raw, &q); err != nil {
		return nil, err
	}
	at, err := fhir.FirstTime(r.Type, "authoredOn", q.AuthoredOn)
	if err != nil {
		return nil, err
	}
	b := &ehr.Prescription{
		Head: ehr.Head{Status: q.Status, EffectiveAt: at}, Intent: q.Intent, Priority: q.Priority,
		StatusReason: q.StatusReason.EHRCoding(), Reasons: fhir.EHRCodings(q.ReasonCode), Note: fhir.JoinNotes(q.Note),
	}
	var words []string
	for _, d := range q.DosageInstruction {
		b.DosageInstructions = append(b.DosageInstructions, d.read())
		if d.Text != "" {
			words = append(words, d.Text)
		}
	}
	b.Dosage = strings.Join(words, "; ")
	if disp := q.DispenseRequest; disp != nil {
		b.Refills = disp.RepeatsAllowed
		if n := disp.Quantity.EHRQuantity(); n != nil {
			b.Quantity, b.QuantityUnit = &n.Value, n.Unit
		}
		if b.ValidityPeriod, err = disp.ValidityPeriod.EHRPeriod(r.Type + ".dispenseRequest.validityPeriod"); err != nil {
			return nil, err
		}
	}
	if q.Substitution != nil {
		b.Substitution = q.Substitution.Allowed
	}
	d := q.record("prescription", "authoredOn", &b.Head, b, []*fhir.Reference{q.Requester}, "code", "medicationCodeableConcept", "dosage", "dosageInstruction.text",
		"dosageInstructions", "dosageInstruction", "reasons", "reasonCode", "quantity", "dispenseRequest.quantity.value", "quantityUnit", "dispenseRequest.quantity.unit",
		"refills", "dispenseRequest.numberOfRepeatsAllowed", "validityPeriod", "dispenseRequest.validityPeriod")
	return d, setMedication(d, r.Type, &b.Head, q.Medication, q.MedicationReference, q.Contained)
}

// setMedication sets the code of the medication: from the request, from a contained Medication, or
// from another resource.
func setMedication(d *Draft, typ string, h *ehr.Head, concept *fhir.CodeableConcept, ref *fhir.Reference, inside fhir.Contained) error {
	if code := concept.EHRCoding(); code != nil {
		h.Code = *code
		return nil
	}
	if ref == nil {
		return fhir.NewError(typ+".medicationCodeableConcept", "is missing")
	}
	path := typ + ".medicationReference"
	if raw := inside.Get(ref); raw != nil {
		var err error
		h.Code, err = MedicationCode(path, raw)
		return err
	}
	d.Parts = []Part{{Path: path, Keys: ref.Keys("Medication"), Apply: func(body []byte) error {
		return fhir.Decode(path, body, &h.Code)
	}}}
	d.Finish = func(*Draft) error {
		if h.Code.Code == "" {
			return fhir.NewError(path, "does not refer to an imported resource")
		}
		return nil
	}
	return nil
}

// MedicationCode returns the code of a Medication, or its ingredients as text.
func MedicationCode(path string, raw []byte) (ehr.Coding, error) {
	var m struct {
		Code       *fhir.CodeableConcept `json:"code"`
		Ingredient []struct {
			Item fhir.CodeableConcept `json:"itemCodeableConcept"`
		} `json:"ingredient"`
	}
	if err := fhir.Decode("Medication", raw, &m); err != nil {
		return ehr.Coding{}, err
	}
	// A mixture made for the patient has no code.
	var mixed []string
	for i := range m.Ingredient {
		mixed = append(mixed, m.Ingredient[i].Item.Label())
	}
	return requiredCode(path+".code", m.Code, &fhir.CodeableConcept{Text: strings.Join(mixed, " + ")})
}

type dosage struct {
	Text     string                `json:"text"`
	AsNeeded *bool                 `json:"asNeededBoolean"`
	Route    *fhir.CodeableConcept `json:"route"`
	Timing   *struct {
		Repeat *struct {
			Frequency  *int         `json:"frequency"`
			Period     *ehr.Decimal `json:"period"`
			PeriodUnit string       `json:"periodUnit"`
		} `json:"repeat"`
	} `json:"timing"`
	DoseAndRate []struct {
		Dose *fhir.Quantity `json:"doseQuantity"`
	} `json:"doseAndRate"`
}

func (d dosage) read() ehr.Dosage {
	out := ehr.Dosage{Text: d.Text, AsNeeded: d.AsNeeded, Route: d.Route.EHRCoding()}
	if len(d.DoseAndRate) > 0 {
		out.Dose = d.DoseAndRate[0].Dose.EHRQuantity()
	}
	if d.Timing != nil && d.Timing.Repeat != nil {
		out.Frequency, out.Period, out.PeriodUnit = d.Timing.Repeat.Frequency, d.Timing.Repeat.Period, d.Timing.Repeat.PeriodUnit
	}
	return out
}
