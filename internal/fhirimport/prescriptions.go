package fhirimport

import (
	"strings"

	"carewire/internal/clinic/ehr"
)

func readMedicationRequest(_ *mapper, r *resource) (*draft, error) {
	var q struct {
		about
		Contained           contained         `json:"contained"`
		Intent              string            `json:"intent"`
		Priority            string            `json:"priority"`
		StatusReason        *codeableConcept  `json:"statusReason"`
		Medication          *codeableConcept  `json:"medicationCodeableConcept"`
		MedicationReference *reference        `json:"medicationReference"`
		AuthoredOn          string            `json:"authoredOn"`
		Requester           *reference        `json:"requester"`
		ReasonCode          []codeableConcept `json:"reasonCode"`
		DosageInstruction   []dosage          `json:"dosageInstruction"`
		DispenseRequest     *struct {
			ValidityPeriod *period   `json:"validityPeriod"`
			RepeatsAllowed *int      `json:"numberOfRepeatsAllowed"`
			Quantity       *quantity `json:"quantity"`
		} `json:"dispenseRequest"`
		Substitution *struct {
			Allowed *bool `json:"allowedBoolean"`
		} `json:"substitution"`
	}
	if err := decode(r.typ, r.raw, &q); err != nil {
		return nil, err
	}
	at, err := when(r.typ, "authoredOn", q.AuthoredOn)
	if err != nil {
		return nil, err
	}
	b := &ehr.Prescription{
		Head: ehr.Head{Status: q.Status, EffectiveAt: at}, Intent: q.Intent, Priority: q.Priority,
		StatusReason: q.StatusReason.code(), Reasons: codes(q.ReasonCode), Note: notes(q.Note),
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
		if n := disp.Quantity.read(); n != nil {
			b.Quantity, b.QuantityUnit = &n.Value, n.Unit
		}
		if b.ValidityPeriod, err = disp.ValidityPeriod.read(r.typ + ".dispenseRequest.validityPeriod"); err != nil {
			return nil, err
		}
	}
	if q.Substitution != nil {
		b.Substitution = q.Substitution.Allowed
	}
	d := q.record("prescription", "authoredOn", &b.Head, b, []*reference{q.Requester}, "code", "medicationCodeableConcept", "dosage", "dosageInstruction.text",
		"dosageInstructions", "dosageInstruction", "reasons", "reasonCode", "quantity", "dispenseRequest.quantity.value", "quantityUnit", "dispenseRequest.quantity.unit",
		"refills", "dispenseRequest.numberOfRepeatsAllowed", "validityPeriod", "dispenseRequest.validityPeriod")
	return d, medicine(d, r.typ, &b.Head, q.Medication, q.MedicationReference, q.Contained)
}

// medicine finds what is prescribed: in the request, in a Medication inside it, or in one elsewhere.
func medicine(d *draft, typ string, h *ehr.Head, concept *codeableConcept, ref *reference, inside contained) error {
	if code := concept.code(); code != nil {
		h.Code = *code
		return nil
	}
	if ref == nil {
		return faulty(typ+".medicationCodeableConcept", "is missing")
	}
	path := typ + ".medicationReference"
	if raw := inside.get(ref); raw != nil {
		var err error
		h.Code, err = medicationCode(path, raw)
		return err
	}
	d.parts = []part{{path: path, keys: ref.keys("Medication"), take: func(body []byte) error {
		return decode(path, body, &h.Code)
	}}}
	d.finish = func(*draft) error {
		if h.Code.Code == "" {
			return faulty(path, "refers to nothing that was taken in")
		}
		return nil
	}
	return nil
}

func medicationCode(path string, raw []byte) (ehr.Coding, error) {
	var m struct {
		Code       *codeableConcept `json:"code"`
		Ingredient []struct {
			Item codeableConcept `json:"itemCodeableConcept"`
		} `json:"ingredient"`
	}
	if err := decode("Medication", raw, &m); err != nil {
		return ehr.Coding{}, err
	}
	// What is mixed for the patient has no code of its own.
	var mixed []string
	for i := range m.Ingredient {
		mixed = append(mixed, m.Ingredient[i].Item.words())
	}
	return coded(path+".code", m.Code, &codeableConcept{Text: strings.Join(mixed, " + ")})
}

type dosage struct {
	Text     string           `json:"text"`
	AsNeeded *bool            `json:"asNeededBoolean"`
	Route    *codeableConcept `json:"route"`
	Timing   *struct {
		Repeat *struct {
			Frequency  *int         `json:"frequency"`
			Period     *ehr.Decimal `json:"period"`
			PeriodUnit string       `json:"periodUnit"`
		} `json:"repeat"`
	} `json:"timing"`
	DoseAndRate []struct {
		Dose *quantity `json:"doseQuantity"`
	} `json:"doseAndRate"`
}

func (d dosage) read() ehr.Dosage {
	out := ehr.Dosage{Text: d.Text, AsNeeded: d.AsNeeded, Route: d.Route.code()}
	if len(d.DoseAndRate) > 0 {
		out.Dose = d.DoseAndRate[0].Dose.read()
	}
	if d.Timing != nil && d.Timing.Repeat != nil {
		out.Frequency, out.Period, out.PeriodUnit = d.Timing.Repeat.Frequency, d.Timing.Repeat.Period, d.Timing.Repeat.PeriodUnit
	}
	return out
}
