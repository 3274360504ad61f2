package mapping

import (
	"cmp"
	"strings"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/dosage"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/meaning"
)

// Parts of the medical history: what a resource reports about the patient without being an order,
// a result or a finding of its own.
const (
	historyMedical    = "medical"
	historyMedication = "medication"
	historySocial     = "social"
)

// entry returns the draft of an entry of the medical history with the head of a record. The status
// of a retracted one is kept.
func (a *common) entry(category, effective string, head ehr.Head, words fhir.Phrases, doctors ...*fhir.Reference) *Draft {
	if head.Status != meaning.Retracted {
		head.Status = "completed"
	}
	b := &ehr.MedicalHistory{Head: head, Category: category, Note: strings.Join(append(words, notes(a.Note)...), "\n")}
	return a.record("medical_history", effective, &b.Head, b, doctors)
}

func notes(list []fhir.Annotation) fhir.Phrases {
	words := fhir.Phrases{}
	words.Add("", fhir.JoinNotes(list))
	return words
}

// medicationEntry returns a medicine that the patient takes, without an order, as an entry of the
// history.
func (a *common) medicationEntry(effective string, head ehr.Head, status string, dosages []dosage.Dosage, doctors ...*fhir.Reference) *Draft {
	words := fhir.Phrases{}
	words.Add("Status: ", status)
	for i := range dosages {
		words.Add("", dosage.Summary(dosages[i].Read()))
	}
	return a.entry(historyMedication, effective, head, words, doctors...)
}

type medicationStatement struct {
	common
	Contained           fhir.Contained        `json:"contained"`
	Medication          *fhir.CodeableConcept `json:"medicationCodeableConcept"`
	MedicationReference *fhir.Reference       `json:"medicationReference"`
	Context             *fhir.Reference       `json:"context"`
	EffectiveDateTime   string                `json:"effectiveDateTime"`
	EffectivePeriod     *fhir.Period          `json:"effectivePeriod"`
	DateAsserted        string                `json:"dateAsserted"`
	InformationSource   *fhir.Reference       `json:"informationSource"`
	Dosage              []dosage.Dosage       `json:"dosage"`
}

func readMedicationStatement(_ *Options, r *fhir.Resource) (*Draft, error) {
	var s medicationStatement
	if err := fhir.Decode(r.Type, r.Raw, &s); err != nil {
		return nil, err
	}
	status, err := meaning.DecideStatus(r.Type, "status", s.Status)
	if err != nil {
		return nil, err
	}
	if s.EffectivePeriod == nil {
		s.EffectivePeriod = &fhir.Period{}
	}
	at, err := firstDate(r.Type, 3, "dateAsserted", s.DateAsserted, "effectiveDateTime", s.EffectiveDateTime, "effectivePeriod.start", s.EffectivePeriod.Start)
	if err != nil {
		return nil, err
	}
	s.Encounter = s.Context
	d := s.medicationEntry("dateAsserted", ehr.Head{Status: status.As, EffectiveAt: at.Time}, s.Status, s.Dosage, s.InformationSource)
	b, _ := d.Body.(*ehr.MedicalHistory)
	if b.Period, err = s.EffectivePeriod.EHRPeriod(r.Type + ".effectivePeriod"); err != nil {
		return nil, err
	}
	d.dateHead(at, s.Meta)
	d.setStatus(status, r.Type+".status")
	d.Paths["code"], d.Paths["doctorId"] = "medicationCodeableConcept", "informationSource"
	return d, setMedication(d, r.Type, d.Head, s.Medication, s.MedicationReference, s.Contained)
}

// socialHistory returns an observation of the social history, such as the smoking status, as an
// entry of the history.
func (o *observation) socialHistory(typ string) (*Draft, error) {
	head, at, err := o.head(typ)
	if err != nil {
		return nil, err
	}
	if status := o.Status; status != "unknown" && meaning.Excluded(status) != "" {
		head.Status = meaning.Retracted // Imported only if it is known already.
	}
	words := fhir.Phrases{}
	found, unit := o.ehrValue()
	if found != nil && found.Coding == nil {
		words.Add("", strings.TrimSpace(valueText(found)+" "+unit))
	}
	for i := range o.Component {
		c := &o.Component[i]
		if v, unit := c.ehrValue(); v != nil {
			words.Add(c.Code.Label()+": ", strings.TrimSpace(valueText(v)+" "+unit))
		}
	}
	if absent := o.DataAbsentReason; found == nil && absent.EHRCoding() != nil {
		words.Add("No value: ", absent.Label())
	}
	d := o.entry(historySocial, "effectiveDateTime", head, words, o.Performer...)
	if b, ok := d.Body.(*ehr.MedicalHistory); ok && found != nil {
		b.Outcome = found.Coding
	}
	d.Paths["doctorId"] = "performer"
	d.dateHead(at, o.Meta)
	return d, nil
}

func valueText(v *ehr.Value) string {
	switch {
	case v.Number != nil:
		return string(*v.Number)
	case v.Text != nil:
		return *v.Text
	case v.Coding != nil:
		return cmp.Or(v.Coding.Display, v.Coding.Code)
	}
	return ""
}
