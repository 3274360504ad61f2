package mapping

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
)

// value is the value of an observation or of one of its components.
type value struct {
	Quantity         *fhir.Quantity         `json:"valueQuantity"`
	Concept          *fhir.CodeableConcept  `json:"valueCodeableConcept"`
	String           *string                `json:"valueString"`
	Boolean          *bool                  `json:"valueBoolean"`
	Integer          *ehr.Decimal           `json:"valueInteger"`
	DateTime         *string                `json:"valueDateTime"`
	Time             *string                `json:"valueTime"`
	Range            *valueRange            `json:"valueRange"`
	Ratio            *valueRatio            `json:"valueRatio"`
	DataAbsentReason *fhir.CodeableConcept  `json:"dataAbsentReason"`
	Interpretation   []fhir.CodeableConcept `json:"interpretation"`
	ReferenceRange   []struct {
		Low  *fhir.Quantity `json:"low"`
		High *fhir.Quantity `json:"high"`
		Text string         `json:"text"`
	} `json:"referenceRange"`
}

type valueRange struct {
	Low  *fhir.Quantity `json:"low"`
	High *fhir.Quantity `json:"high"`
}

type valueRatio struct {
	Numerator   *fhir.Quantity `json:"numerator"`
	Denominator *fhir.Quantity `json:"denominator"`
}

// ehrValue returns the value and its unit, or nil if there is none.
func (v *value) ehrValue() (*ehr.Value, string) {
	words := func(text string) (*ehr.Value, string) { return &ehr.Value{Text: &text}, "" }
	switch {
	case v.Quantity != nil && v.Quantity.Value != nil && v.Quantity.Comparator != "":
		return words(v.Quantity.Text())
	case v.Quantity != nil && v.Quantity.Value != nil:
		return &ehr.Value{Number: v.Quantity.Value}, v.Quantity.UCUM()
	case v.Concept.EHRCoding() != nil:
		return &ehr.Value{Coding: v.Concept.EHRCoding()}, ""
	case v.String != nil:
		return words(*v.String)
	case v.Integer != nil:
		return &ehr.Value{Number: v.Integer}, ""
	case v.Boolean != nil:
		return words(strconv.FormatBool(*v.Boolean))
	case v.DateTime != nil:
		return words(*v.DateTime)
	case v.Time != nil:
		return words(*v.Time)
	case v.Range != nil:
		return words(v.Range.Low.Text() + " - " + v.Range.High.Text())
	case v.Ratio != nil:
		return words(v.Ratio.Numerator.Text() + " : " + v.Ratio.Denominator.Text())
	}
	return nil, ""
}

func (v *value) interpretation() string {
	for i := range v.Interpretation {
		if word := v.Interpretation[i].FirstCode(); word != "" {
			return word
		}
	}
	return ""
}

func (v *value) result(code ehr.Coding) (ehr.Result, bool) {
	found, unit := v.ehrValue()
	if found == nil {
		if v.DataAbsentReason.EHRCoding() == nil {
			return ehr.Result{}, false
		}
		found = &ehr.Value{Coding: v.DataAbsentReason.EHRCoding()}
	}
	res := ehr.Result{Code: code, Value: *found, Unit: unit, Interpretation: v.interpretation()}
	if len(v.ReferenceRange) > 0 {
		usual := v.ReferenceRange[0]
		res.ReferenceRange = &ehr.ReferenceRange{Text: usual.Text}
		if usual.Low != nil {
			res.ReferenceRange.Low = usual.Low.Value
		}
		if usual.High != nil {
			res.ReferenceRange.High = usual.High.Value
		}
	}
	return res, true
}

type observation struct {
	common
	Category          []fhir.CodeableConcept `json:"category"`
	Code              *fhir.CodeableConcept  `json:"code"`
	EffectiveDateTime string                 `json:"effectiveDateTime"`
	EffectivePeriod   *fhir.Period           `json:"effectivePeriod"`
	EffectiveInstant  string                 `json:"effectiveInstant"`
	Issued            string                 `json:"issued"`
	Performer         []*fhir.Reference      `json:"performer"`
	BodySite          *fhir.CodeableConcept  `json:"bodySite"`
	Method            *fhir.CodeableConcept  `json:"method"`
	value
	Component []struct {
		Code *fhir.CodeableConcept `json:"code"`
		value
	} `json:"component"`
}

// hasCategory reports whether the observation has the category.
func (o *observation) hasCategory(category string) bool {
	return slices.ContainsFunc(o.Category, func(c fhir.CodeableConcept) bool { return c.HasCode(category) })
}

// results returns the observation as results of a lab report.
func (o *observation) results() ([]ehr.Result, error) {
	code, err := requiredCode("Observation.code", o.Code)
	if err != nil {
		return nil, err
	}
	var all []ehr.Result
	if res, ok := o.result(code); ok && (o.DataAbsentReason == nil || len(o.Component) == 0) {
		all = append(all, res)
	}
	for i := range o.Component {
		code, err := requiredCode(fmt.Sprintf("Observation.component[%d].code", i), o.Component[i].Code)
		if err != nil {
			return nil, err
		}
		if res, ok := o.Component[i].result(code); ok {
			all = append(all, res)
		}
	}
	if len(all) == 0 {
		return nil, fhir.NewError("Observation.value", "is missing or of an unsupported type")
	}
	return all, nil
}

// ObservationResults returns an Observation as results of a lab report.
func ObservationResults(raw []byte) ([]ehr.Result, error) {
	var o observation
	if err := fhir.Decode("Observation", raw, &o); err != nil {
		return nil, err
	}
	return o.results()
}

func readObservation(_ *Options, r *fhir.Resource) (*Draft, error) {
	var o observation
	if err := fhir.Decode(r.Type, r.Raw, &o); err != nil {
		return nil, err
	}
	vital := o.hasCategory("vital-signs")
	d := &Draft{Kind: KindPart}
	results, err := o.results()
	if !vital {
		// If a report includes the observation, it is not imported again. The look-ups decide that.
		d.Parts = []Part{{Keys: []fhir.Key{r.Key()}}}
		if data, failed := json.Marshal(results); failed == nil && err == nil {
			d.Body = json.RawMessage(data)
		}
	}
	switch {
	case vital:
		return o.vitalSigns(r.Type)
	case o.hasCategory("laboratory"):
		d.Finish = func(d *Draft) error { return o.becomeReport(d, r.Type, results, err) }
	case len(o.Category) == 0:
		d.Finish = func(*Draft) error { return &SkipError{"has no category and is not part of a report"} }
	default:
		d.Finish = func(*Draft) error {
			return &SkipError{"observations of this category are not imported: " + categoryName(o.Category)}
		}
	}
	return d, nil
}

// categoryName returns the name of a category that FHIR R4 defines.
func categoryName(categories []fhir.CodeableConcept) string {
	for i := range categories {
		for _, name := range []string{"survey", "social-history", "imaging", "procedure", "exam", "therapy", "activity"} {
			if categories[i].HasCode(name) {
				return name
			}
		}
	}
	return "other"
}

func (o *observation) head(typ string) (ehr.Head, error) {
	if o.EffectivePeriod == nil {
		o.EffectivePeriod = &fhir.Period{}
	}
	at, err := fhir.FirstTime(typ, "effectiveDateTime", o.EffectiveDateTime, "effectiveInstant", o.EffectiveInstant, "effectivePeriod.start", o.EffectivePeriod.Start, "issued", o.Issued)
	if err != nil {
		return ehr.Head{}, err
	}
	code, err := requiredCode(typ+".code", o.Code)
	return ehr.Head{Status: o.Status, EffectiveAt: at, Code: code}, err
}

// becomeReport makes a laboratory result without a report a report of its own.
func (o *observation) becomeReport(d *Draft, typ string, results []ehr.Result, err error) error {
	if err != nil {
		return err
	}
	head, err := o.head(typ)
	if err != nil {
		return err
	}
	b := &ehr.LabReport{Head: head, Results: results}
	made := o.record("lab_report", "effectiveDateTime", &b.Head, b, o.Performer, "results", "value")
	d.Kind, d.Head, d.Body, d.Paths = made.Kind, made.Head, made.Body, made.Paths
	d.Patient, d.PatientPath, d.Encounter, d.Doctors = made.Patient, made.PatientPath, made.Encounter, made.Doctors
	return nil
}

func (o *observation) vitalSigns(typ string) (*Draft, error) {
	head, err := o.head(typ)
	if err != nil {
		return nil, err
	}
	b := &ehr.VitalSigns{Head: head, Measured: o.measured(), BodySite: o.BodySite.EHRCoding(), Method: o.Method.EHRCoding(), Note: fhir.JoinNotes(o.Note)}
	for i := range o.Component {
		code, err := requiredCode(fmt.Sprintf("%s.component[%d].code", typ, i), o.Component[i].Code)
		if err != nil {
			return nil, err
		}
		b.Components = append(b.Components, ehr.Component{Code: code, Measured: o.Component[i].measured()})
	}
	return o.record("vital_signs", "effectiveDateTime", &b.Head, b, o.Performer, "components", "component", "value", "value", "unit", "valueQuantity.unit"), nil
}

func (v *value) measured() ehr.Measured {
	found, unit := v.ehrValue()
	m := ehr.Measured{Value: found, Unit: unit, Interpretation: v.interpretation()}
	if found == nil {
		m.DataAbsentReason = v.DataAbsentReason.FirstCode()
	}
	return m
}
