package mapping

import (
	"cmp"
	"strings"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/dosage"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/meaning"
)

type medicationRequest struct {
	common
	Contained           fhir.Contained         `json:"contained"`
	Intent              string                 `json:"intent"`
	ReportedBoolean     *bool                  `json:"reportedBoolean"`
	ReportedReference   *fhir.Reference        `json:"reportedReference"`
	Priority            string                 `json:"priority"`
	StatusReason        *fhir.CodeableConcept  `json:"statusReason"`
	Medication          *fhir.CodeableConcept  `json:"medicationCodeableConcept"`
	MedicationReference *fhir.Reference        `json:"medicationReference"`
	AuthoredOn          string                 `json:"authoredOn"`
	Requester           *fhir.Reference        `json:"requester"`
	ReasonCode          []fhir.CodeableConcept `json:"reasonCode"`
	DosageInstruction   []dosage.Dosage        `json:"dosageInstruction"`
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
	status, err := meaning.DecideStatus(r.Type, "status", q.Status)
	if err != nil {
		return nil, err
	}
	reported, err := q.isReported()
	if err != nil {
		return nil, err
	}
	at, err := firstDate(r.Type, 1, "authoredOn", q.AuthoredOn, "dispenseRequest.validityPeriod.start", q.validFrom())
	if err != nil {
		return nil, err
	}
	head := ehr.Head{Status: status.As, EffectiveAt: at.Time}
	var d *Draft
	if reported {
		d = q.medicationEntry("authoredOn", head, q.Status, q.DosageInstruction)
		d.Note(r.Type+".reported", "the medicine was reported and not ordered: imported as an entry of the medical history")
	} else if d, err = q.prescription(r.Type, head); err != nil {
		return nil, err
	}
	d.dateHead(at, q.Meta)
	d.setStatus(status, r.Type+".status")
	d.Paths["code"], d.Paths["doctorId"] = "medicationCodeableConcept", "requester"
	return d, setMedication(d, r.Type, d.Head, q.Medication, q.MedicationReference, q.Contained)
}

// validFrom returns the day from which the order may be filled, if it has one.
func (q *medicationRequest) validFrom() string {
	if q.DispenseRequest == nil || q.DispenseRequest.ValidityPeriod == nil {
		return ""
	}
	return q.DispenseRequest.ValidityPeriod.Start
}

// isReported reports whether the medicine was reported, or requested by the patient or a relative,
// and not ordered. The error is a SkipError for a request that is neither.
func (q *medicationRequest) isReported() (bool, error) {
	reported := q.ReportedReference != nil || (q.ReportedBoolean != nil && *q.ReportedBoolean) || q.isByPatient()
	switch q.Intent {
	case "", "order", "original-order", "reflex-order", "filler-order", "instance-order":
	case "proposal", "plan", "option":
		if !reported {
			return false, &meaning.SkipError{Reason: "is a " + q.Intent + " and no order (intent): nothing was prescribed"}
		}
	default:
		return false, fhir.NewError("MedicationRequest.intent",
			"is not a code of FHIR R4; want one of proposal, plan, order, original-order, reflex-order, filler-order, instance-order, option")
	}
	if reported && (q.Status == "draft" || q.Status == "cancelled") {
		return false, &meaning.SkipError{Reason: "was reported and then cancelled, or not completed: nothing was taken"}
	}
	return reported, nil
}

// isByPatient reports whether the requester is the patient or a relative. A reference that does not
// name its type is taken for one to a practitioner.
func (q *medicationRequest) isByPatient() bool {
	return len(q.Requester.Keys("Patient", "RelatedPerson")) > 0 && len(q.Requester.Keys("Practitioner", "PractitionerRole", "Organization", "Device")) == 0
}

// prescription returns the draft of an order.
func (q *medicationRequest) prescription(typ string, head ehr.Head) (*Draft, error) {
	b := &ehr.Prescription{
		Head: head, Intent: q.Intent, Priority: q.Priority,
		StatusReason: q.StatusReason.EHRCoding(), Reasons: fhir.EHRCodings(q.ReasonCode), Note: fhir.JoinNotes(q.Note),
	}
	var words []string
	for i := range q.DosageInstruction {
		step := q.DosageInstruction[i].Read()
		b.DosageInstructions = append(b.DosageInstructions, step)
		if step.Text != "" {
			words = append(words, step.Text)
		}
	}
	b.Dosage = strings.Join(words, "; ")
	if disp := q.DispenseRequest; disp != nil {
		b.Refills = disp.RepeatsAllowed
		if n := disp.Quantity.EHRQuantity(); n != nil && disp.Quantity.Comparator == "" {
			b.Quantity, b.QuantityUnit = &n.Value, n.Unit
		} else if n != nil {
			b.Note = strings.TrimSpace("Quantity " + disp.Quantity.Text() + "\n" + b.Note)
		}
		var err error
		if b.ValidityPeriod, err = disp.ValidityPeriod.EHRPeriod(typ + ".dispenseRequest.validityPeriod"); err != nil {
			return nil, err
		}
	}
	if q.Substitution != nil {
		b.Substitution = q.Substitution.Allowed
	}
	return q.record("prescription", "authoredOn", &b.Head, b, []*fhir.Reference{q.Requester}, "code", "medicationCodeableConcept", "dosage", "dosageInstruction.text",
		"dosageInstructions", "dosageInstruction", "reasons", "reasonCode", "quantity", "dispenseRequest.quantity.value", "quantityUnit", "dispenseRequest.quantity.unit",
		"refills", "dispenseRequest.numberOfRepeatsAllowed", "validityPeriod", "dispenseRequest.validityPeriod"), nil
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
	d.Parts = []Part{{Path: path, Keys: ref.Keys("Medication"), Apply: func(body []byte) (bool, error) {
		err := fhir.Decode(path, body, &h.Code)
		return err == nil, err
	}}}
	d.Finish = func(*Draft) error {
		if h.Code.Code == "" {
			return fhir.NewError(path, "does not refer to an imported Medication; import it too, with a code")
		}
		return nil
	}
	return nil
}

// MedicationCode returns the code of a Medication, or its ingredients as text.
func MedicationCode(path string, raw []byte) (ehr.Coding, error) {
	if err := meaning.CheckModifiers("Medication", raw); err != nil {
		return ehr.Coding{}, err
	}
	var m struct {
		Status     string                `json:"status"`
		Code       *fhir.CodeableConcept `json:"code"`
		Ingredient []struct {
			Item fhir.CodeableConcept `json:"itemCodeableConcept"`
		} `json:"ingredient"`
	}
	if err := fhir.Decode("Medication", raw, &m); err != nil {
		return ehr.Coding{}, err
	}
	if _, err := meaning.DecideStatus("Medication", "status", cmp.Or(m.Status, "active")); err != nil {
		return ehr.Coding{}, fhir.NewError(path+".status", "must be active or inactive: the medication was entered in error, or its status is unknown")
	}
	// A mixture made for the patient has no code.
	var mixed []string
	for i := range m.Ingredient {
		mixed = append(mixed, m.Ingredient[i].Item.Label())
	}
	return requiredCode(path+".code", m.Code, &fhir.CodeableConcept{Text: strings.Join(mixed, " + ")})
}
