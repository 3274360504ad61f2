package mapping

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/meaning"
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
	Range            *fhir.Range            `json:"valueRange"`
	Ratio            *fhir.Ratio            `json:"valueRatio"`
	DataAbsentReason *fhir.CodeableConcept  `json:"dataAbsentReason"`
	Interpretation   []fhir.CodeableConcept `json:"interpretation"`
	ReferenceRange   []struct {
		Low  *fhir.Quantity `json:"low"`
		High *fhir.Quantity `json:"high"`
		Text string         `json:"text"`
	} `json:"referenceRange"`
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

// interpretation returns the first code of v3 ObservationInterpretation, else the first code.
func (v *value) interpretation() string {
	first := ""
	for i := range v.Interpretation {
		for _, c := range v.Interpretation[i].Coding {
			if ehr.IsInterpretation(c.Code) {
				return c.Code
			}
			first = cmp.Or(first, c.Code)
		}
	}
	return first
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
	Focus             []fhir.Reference       `json:"focus"`
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

// ObservationPart is an Observation as a part of a report.
type ObservationPart struct {
	Results []ehr.Result `json:"results"`
	// Excluded is the reason why the observation is no result of a report.
	Excluded    string `json:"excluded,omitempty"`
	Preliminary bool   `json:"preliminary,omitempty"`
}

// ReadObservationPart returns an Observation as a part of a report.
func ReadObservationPart(raw []byte) (ObservationPart, error) {
	if err := meaning.CheckModifiers("Observation", raw); err != nil {
		fault, _ := errors.AsType[*fhir.Error](err)
		return ObservationPart{Excluded: fault.Path + " " + fault.Reason}, nil
	}
	var o observation
	if err := fhir.Decode("Observation", raw, &o); err != nil {
		return ObservationPart{}, err
	}
	if why := meaning.Excluded(o.Status); why != "" {
		return ObservationPart{Excluded: why}, nil
	}
	if o.isAboutOther() {
		return ObservationPart{Excluded: aboutOther}, nil
	}
	if _, err := meaning.DecideStatus("Observation", "status", o.Status); err != nil {
		return ObservationPart{Excluded: "has an unknown status"}, nil //nolint:nilerr // The report has the reason.
	}
	results, err := o.results()
	return ObservationPart{Results: results, Preliminary: o.Status == "preliminary"}, err
}

const aboutOther = "is about somebody or something else than the patient (focus)"

// isAboutOther reports whether the observation is not about its subject, but about a fetus, a donor,
// an implant or the like.
func (o *observation) isAboutOther() bool {
	return slices.ContainsFunc(o.Focus, func(f fhir.Reference) bool {
		return o.Subject == nil || f.Reference == "" || f.Reference != o.Subject.Reference
	})
}

// vitalSignCodes are the LOINC codes of FHIR R4's vital signs profile, and those that it allows in
// addition.
var vitalSignCodes = []string{
	"85353-1", "9279-1", "8867-4", "2708-6", "59408-5", "8310-5", "8302-2", "9843-4", "29463-7", "39156-5", "85354-9", "8480-6", "8462-4", "8478-0",
	"8306-3", "8331-1", "8332-3", "8333-1", "8328-7", "3141-9", "8287-5", "55284-4",
}

// isVital reports whether the observation is a vital sign: by its category, or by its LOINC code if
// it is not a laboratory result.
func (o *observation) isVital() bool {
	if o.hasCategory("vital-signs") {
		return true
	}
	return !o.hasCategory("laboratory") && o.Code != nil && slices.ContainsFunc(o.Code.Coding, func(c fhir.Coding) bool {
		return c.System == "http://loinc.org" && slices.Contains(vitalSignCodes, c.Code)
	})
}

func readObservation(_ *Options, r *fhir.Resource) (*Draft, error) {
	var o observation
	if err := fhir.Decode(r.Type, r.Raw, &o); err != nil {
		return nil, err
	}
	status, err := meaning.DecideStatus(r.Type, "status", o.Status)
	if err != nil {
		return nil, err
	}
	var d *Draft
	switch {
	case o.isAboutOther():
		return nil, &meaning.SkipError{Reason: aboutOther}
	case o.isVital():
		d, err = o.vitalSigns(r.Type)
	case o.hasCategory("social-history"):
		d, err = o.socialHistory(r.Type)
	default:
		d = o.labResult(r)
	}
	if err != nil {
		if status.UnlessKnown {
			return nil, &meaning.SkipError{Reason: status.Skip}
		}
		return nil, err
	}
	d.setStatus(status, r.Type+".status")
	return d, nil
}

// labResult returns the draft of an observation that may be a part of a report. If a report
// includes it, it is not imported again. The look-ups decide that.
func (o *observation) labResult(r *fhir.Resource) *Draft {
	d := &Draft{Kind: KindPart, Parts: []Part{{Keys: []fhir.Key{r.Key()}}}}
	results, err := o.results()
	if data, failed := json.Marshal(results); failed == nil && err == nil {
		d.Body = json.RawMessage(data)
	}
	switch {
	case o.hasCategory("laboratory"):
		// The references are needed before it is known whether a report includes the observation.
		made := o.record("lab_report", "effectiveDateTime", nil, nil, o.Performer, "results", "value", "doctorId", "performer")
		d.Patient, d.PatientPath, d.Encounter, d.Doctors, d.Paths = made.Patient, made.PatientPath, made.Encounter, made.Doctors, made.Paths
		d.Finish = func(d *Draft) error { return o.becomeReport(d, r.Type, results, err) }
	case len(o.Category) == 0:
		d.Finish = func(*Draft) error {
			return &meaning.SkipError{Reason: "has no category and is not part of a report; the categories laboratory, vital-signs and social-history are imported"}
		}
	default:
		d.Finish = func(*Draft) error {
			return &meaning.SkipError{Reason: "observations of the category " + categoryName(o.Category) + " are not imported, unless a report includes them"}
		}
	}
	return d
}

// categoryName returns the name of a category that FHIR R4 defines. Other texts could be about the
// patient.
func categoryName(categories []fhir.CodeableConcept) string {
	for i := range categories {
		for _, name := range []string{"survey", "imaging", "procedure", "exam", "therapy", "activity"} {
			if categories[i].HasCode(name) {
				return name
			}
		}
	}
	return "other"
}

func (o *observation) head(typ string) (ehr.Head, dated, error) {
	if o.EffectivePeriod == nil {
		o.EffectivePeriod = &fhir.Period{}
	}
	at, err := firstDate(typ, 4, "effectiveDateTime", o.EffectiveDateTime, "effectiveInstant", o.EffectiveInstant, "effectivePeriod.start", o.EffectivePeriod.Start,
		"effectivePeriod.end", o.EffectivePeriod.End, "issued", o.Issued)
	if err != nil {
		return ehr.Head{}, at, err
	}
	code, err := requiredCode(typ+".code", o.Code)
	return ehr.Head{Status: o.Status, EffectiveAt: at.Time, Code: code}, at, err
}

// becomeReport makes a laboratory result without a report a report of its own.
func (o *observation) becomeReport(d *Draft, typ string, results []ehr.Result, err error) error {
	if err != nil {
		if d.SkipUnlessKnown != "" {
			return &meaning.SkipError{Reason: d.SkipUnlessKnown}
		}
		return err
	}
	head, at, err := o.head(typ)
	if err != nil {
		return err
	}
	b := &ehr.LabReport{Head: head, Results: results}
	d.Kind, d.Head, d.Body = "lab_report", &b.Head, b
	d.dateHead(at, o.Meta)
	return nil
}

func (o *observation) vitalSigns(typ string) (*Draft, error) {
	head, at, err := o.head(typ)
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
	d := o.record("vital_signs", "effectiveDateTime", &b.Head, b, o.Performer, "components", "component", "value", "value", "unit", "valueQuantity.unit",
		"doctorId", "performer")
	d.dateHead(at, o.Meta)
	return d, nil
}

func (v *value) measured() ehr.Measured {
	found, unit := v.ehrValue()
	m := ehr.Measured{Value: found, Unit: unit, Interpretation: v.interpretation()}
	if found == nil {
		m.DataAbsentReason = v.DataAbsentReason.FirstCode()
	}
	return m
}
