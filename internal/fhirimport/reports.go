package fhirimport

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"carewire/internal/clinic/ehr"
)

// imagingSections are the codes of HL7's table 0074 (diagnostic service sections) under which images are made, and SNOMED
// CT's radiology.
var imagingSections = []string{"RAD", "RX", "CT", "CUS", "OUS", "RUS", "VUS", "NMR", "NMS", "XRC", "VR", "394914008", "imaging"}

func readDiagnosticReport(_ *mapper, r *resource) (*draft, error) {
	var p struct {
		about
		Contained          contained         `json:"contained"`
		Category           []codeableConcept `json:"category"`
		Code               *codeableConcept  `json:"code"`
		EffectiveDateTime  string            `json:"effectiveDateTime"`
		EffectivePeriod    *period           `json:"effectivePeriod"`
		Issued             string            `json:"issued"`
		ResultsInterpreter []*reference      `json:"resultsInterpreter"`
		Performer          []*reference      `json:"performer"`
		Result             []reference       `json:"result"`
		ImagingStudy       []reference       `json:"imagingStudy"`
		Conclusion         string            `json:"conclusion"`
		ConclusionCode     []codeableConcept `json:"conclusionCode"`
		PresentedForm      []struct {
			Data string `json:"data"`
		} `json:"presentedForm"`
	}
	if err := decode(r.typ, r.raw, &p); err != nil {
		return nil, err
	}
	for i, form := range p.PresentedForm {
		if !isBase64(form.Data) {
			return nil, faulty(fmt.Sprintf("%s.presentedForm[%d].data", r.typ, i), "is not base64")
		}
	}
	if p.EffectivePeriod == nil {
		p.EffectivePeriod = &period{}
	}
	head := ehr.Head{Status: p.Status}
	var err error
	if head.EffectiveAt, err = when(r.typ, "effectiveDateTime", p.EffectiveDateTime, "effectivePeriod.start", p.EffectivePeriod.Start, "issued", p.Issued); err != nil {
		return nil, err
	}
	if head.Code, err = coded(r.typ+".code", p.Code); err != nil {
		return nil, err
	}
	doctors := append(p.ResultsInterpreter, p.Performer...)
	imaging := len(p.ImagingStudy) > 0
	for i := range p.Category {
		imaging = imaging || p.Category[i].has(imagingSections...)
	}
	if imaging {
		b := &ehr.ImagingReport{Head: head, Conclusion: p.Conclusion, ConclusionCodes: codes(p.ConclusionCode)}
		return p.record("imaging_report", "effectiveDateTime", &b.Head, b, doctors, "conclusionCodes", "conclusionCode"), nil
	}
	b := &ehr.LabReport{Head: head, Results: []ehr.Result{}}
	d := p.record("lab_report", "effectiveDateTime", &b.Head, b, doctors, "results", "result")
	results := make([][]ehr.Result, len(p.Result))
	for i := range p.Result {
		path := r.typ + ".result[" + strconv.Itoa(i) + "]"
		take := func(body []byte) error { return decode(path, body, &results[i]) }
		if raw := p.Contained.get(&p.Result[i]); raw != nil {
			if results[i], err = observed(raw); err != nil {
				return nil, err
			}
			continue
		}
		d.parts = append(d.parts, part{path, p.Result[i].keys("Observation"), take})
	}
	d.finish = func(*draft) error {
		b.Results = slices.Concat(results...)
		if len(b.Results) == 0 {
			b.Results = concluded(head.Code, p.Conclusion, p.ConclusionCode)
		}
		if b.Results == nil {
			b.Results = []ehr.Result{}
		}
		return nil
	}
	return d, nil
}

// isBase64 takes FHIR R4's base64Binary, which may hold white space.
func isBase64(text string) bool {
	_, err := base64.StdEncoding.Strict().DecodeString(strings.Join(strings.Fields(text), ""))
	return err == nil
}

// concluded is what a report says that holds no result.
func concluded(code ehr.Coding, words string, list []codeableConcept) []ehr.Result {
	var results []ehr.Result
	if words != "" {
		results = append(results, ehr.Result{Code: code, Value: ehr.Value{Text: &words}})
	}
	for _, c := range codes(list) {
		results = append(results, ehr.Result{Code: code, Value: ehr.Value{Coding: &c}})
	}
	return results
}

// value is what an observation, or a part of one, found.
type value struct {
	Quantity         *quantity         `json:"valueQuantity"`
	Concept          *codeableConcept  `json:"valueCodeableConcept"`
	String           *string           `json:"valueString"`
	Boolean          *bool             `json:"valueBoolean"`
	Integer          *ehr.Decimal      `json:"valueInteger"`
	DateTime         *string           `json:"valueDateTime"`
	Time             *string           `json:"valueTime"`
	Range            *valueRange       `json:"valueRange"`
	Ratio            *valueRatio       `json:"valueRatio"`
	DataAbsentReason *codeableConcept  `json:"dataAbsentReason"`
	Interpretation   []codeableConcept `json:"interpretation"`
	ReferenceRange   []struct {
		Low  *quantity `json:"low"`
		High *quantity `json:"high"`
		Text string    `json:"text"`
	} `json:"referenceRange"`
}

type valueRange struct {
	Low  *quantity `json:"low"`
	High *quantity `json:"high"`
}

type valueRatio struct {
	Numerator   *quantity `json:"numerator"`
	Denominator *quantity `json:"denominator"`
}

func (q *quantity) words() string {
	if q == nil || q.Value == nil {
		return ""
	}
	return strings.TrimSpace(q.Comparator + string(*q.Value) + " " + first(q.Unit, q.Code))
}

// read gives the value and its unit; nil where there is none.
func (v *value) read() (*ehr.Value, string) {
	words := func(text string) (*ehr.Value, string) { return &ehr.Value{Text: &text}, "" }
	switch {
	case v.Quantity != nil && v.Quantity.Value != nil && v.Quantity.Comparator != "":
		return words(v.Quantity.words())
	case v.Quantity != nil && v.Quantity.Value != nil:
		return &ehr.Value{Number: v.Quantity.Value}, v.Quantity.unit()
	case v.Concept.code() != nil:
		return &ehr.Value{Coding: v.Concept.code()}, ""
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
		return words(v.Range.Low.words() + " - " + v.Range.High.words())
	case v.Ratio != nil:
		return words(v.Ratio.Numerator.words() + " : " + v.Ratio.Denominator.words())
	}
	return nil, ""
}

func (v *value) interpretation() string {
	for i := range v.Interpretation {
		if word := v.Interpretation[i].word(); word != "" {
			return word
		}
	}
	return ""
}

func (v *value) result(code ehr.Coding) (ehr.Result, bool) {
	found, unit := v.read()
	if found == nil {
		if v.DataAbsentReason.code() == nil {
			return ehr.Result{}, false
		}
		found = &ehr.Value{Coding: v.DataAbsentReason.code()}
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
	about
	Category          []codeableConcept `json:"category"`
	Code              *codeableConcept  `json:"code"`
	EffectiveDateTime string            `json:"effectiveDateTime"`
	EffectivePeriod   *period           `json:"effectivePeriod"`
	EffectiveInstant  string            `json:"effectiveInstant"`
	Issued            string            `json:"issued"`
	Performer         []*reference      `json:"performer"`
	BodySite          *codeableConcept  `json:"bodySite"`
	Method            *codeableConcept  `json:"method"`
	value
	Component []struct {
		Code *codeableConcept `json:"code"`
		value
	} `json:"component"`
}

// is reports whether the observation is of the category.
func (o *observation) is(category string) bool {
	return slices.ContainsFunc(o.Category, func(c codeableConcept) bool { return c.has(category) })
}

// results are what a report takes of the observation.
func (o *observation) results() ([]ehr.Result, error) {
	code, err := coded("Observation.code", o.Code)
	if err != nil {
		return nil, err
	}
	var all []ehr.Result
	if res, ok := o.result(code); ok && (o.DataAbsentReason == nil || len(o.Component) == 0) {
		all = append(all, res)
	}
	for i := range o.Component {
		code, err := coded(fmt.Sprintf("Observation.component[%d].code", i), o.Component[i].Code)
		if err != nil {
			return nil, err
		}
		if res, ok := o.Component[i].result(code); ok {
			all = append(all, res)
		}
	}
	if len(all) == 0 {
		return nil, faulty("Observation.value", "is missing, or of a type that is not kept")
	}
	return all, nil
}

func observed(raw []byte) ([]ehr.Result, error) {
	var o observation
	if err := decode("Observation", raw, &o); err != nil {
		return nil, err
	}
	return o.results()
}

func readObservation(_ *mapper, r *resource) (*draft, error) {
	var o observation
	if err := decode(r.typ, r.raw, &o); err != nil {
		return nil, err
	}
	vital := o.is("vital-signs")
	d := &draft{kind: kindPart}
	results, err := o.results()
	if !vital {
		// Where a report took it, it is part of that; the look-ups tell.
		d.parts = []part{{keys: []key{{r.typ, r.id}}}}
		if data, failed := json.Marshal(results); failed == nil && err == nil {
			d.body = json.RawMessage(data)
		}
	}
	switch {
	case vital:
		return o.vitalSigns(r.typ)
	case o.is("laboratory"):
		d.finish = func(d *draft) error { return o.alone(d, r.typ, results, err) }
	case len(o.Category) == 0:
		d.finish = func(*draft) error { return &skip{"no category says what it is, and no report names it"} }
	default:
		d.finish = func(*draft) error {
			return &skip{"carewire keeps no observations of the category " + known(o.Category)}
		}
	}
	return d, nil
}

// known names a category that FHIR R4 knows.
func known(categories []codeableConcept) string {
	for i := range categories {
		for _, name := range []string{"survey", "social-history", "imaging", "procedure", "exam", "therapy", "activity"} {
			if categories[i].has(name) {
				return name
			}
		}
	}
	return "that it has"
}

func (o *observation) effective(typ string) (ehr.Head, error) {
	if o.EffectivePeriod == nil {
		o.EffectivePeriod = &period{}
	}
	at, err := when(typ, "effectiveDateTime", o.EffectiveDateTime, "effectiveInstant", o.EffectiveInstant, "effectivePeriod.start", o.EffectivePeriod.Start, "issued", o.Issued)
	if err != nil {
		return ehr.Head{}, err
	}
	code, err := coded(typ+".code", o.Code)
	return ehr.Head{Status: o.Status, EffectiveAt: at, Code: code}, err
}

// alone makes a laboratory's result that no report names a report of its own.
func (o *observation) alone(d *draft, typ string, results []ehr.Result, err error) error {
	if err != nil {
		return err
	}
	head, err := o.effective(typ)
	if err != nil {
		return err
	}
	b := &ehr.LabReport{Head: head, Results: results}
	made := o.record("lab_report", "effectiveDateTime", &b.Head, b, o.Performer, "results", "value")
	d.kind, d.head, d.body, d.paths = made.kind, made.head, made.body, made.paths
	d.patient, d.patientPath, d.encounter, d.doctors = made.patient, made.patientPath, made.encounter, made.doctors
	return nil
}

func (o *observation) vitalSigns(typ string) (*draft, error) {
	head, err := o.effective(typ)
	if err != nil {
		return nil, err
	}
	b := &ehr.VitalSigns{Head: head, Measured: o.measured(), BodySite: o.BodySite.code(), Method: o.Method.code(), Note: notes(o.Note)}
	for i := range o.Component {
		code, err := coded(fmt.Sprintf("%s.component[%d].code", typ, i), o.Component[i].Code)
		if err != nil {
			return nil, err
		}
		b.Components = append(b.Components, ehr.Component{Code: code, Measured: o.Component[i].measured()})
	}
	return o.record("vital_signs", "effectiveDateTime", &b.Head, b, o.Performer, "components", "component", "value", "value", "unit", "valueQuantity.unit"), nil
}

func (v *value) measured() ehr.Measured {
	found, unit := v.read()
	m := ehr.Measured{Value: found, Unit: unit, Interpretation: v.interpretation()}
	if found == nil {
		m.DataAbsentReason = v.DataAbsentReason.word()
	}
	return m
}

func readImagingStudy(_ *mapper, r *resource) (*draft, error) {
	var s struct {
		about
		Identifier        []identifier      `json:"identifier"`
		Started           string            `json:"started"`
		Modality          []coding          `json:"modality"`
		NumberOfSeries    *int              `json:"numberOfSeries"`
		NumberOfInstances *int              `json:"numberOfInstances"`
		ProcedureCode     []codeableConcept `json:"procedureCode"`
		ReasonCode        []codeableConcept `json:"reasonCode"`
		Interpreter       []*reference      `json:"interpreter"`
		Referrer          *reference        `json:"referrer"`
		Description       string            `json:"description"`
		Series            []struct {
			Modality coding  `json:"modality"`
			BodySite *coding `json:"bodySite"`
			Started  string  `json:"started"`
		} `json:"series"`
	}
	if err := decode(r.typ, r.raw, &s); err != nil {
		return nil, err
	}
	status, ok := map[string]string{"registered": "registered", "available": "final", "cancelled": "cancelled", "entered-in-error": "entered-in-error", "unknown": "unknown"}[s.Status]
	if !ok {
		return nil, faulty(r.typ+".status", "is missing, or none of FHIR R4's")
	}
	b := &ehr.ImagingReport{Head: ehr.Head{Status: status}, SeriesCount: s.NumberOfSeries, InstanceCount: s.NumberOfInstances, Reasons: codes(s.ReasonCode), Findings: s.Description}
	started := s.Started
	for _, m := range s.Modality {
		b.Modalities = add(b.Modalities, m.code())
	}
	for _, series := range s.Series {
		started = first(started, series.Started)
		b.Modalities = add(b.Modalities, series.Modality.code())
		if series.BodySite != nil {
			b.BodySites = add(b.BodySites, series.BodySite.code())
		}
	}
	for _, id := range s.Identifier {
		if uid, ok := strings.CutPrefix(id.Value, "urn:oid:"); ok && b.StudyUID == "" {
			b.StudyUID = uid
		}
	}
	var err error
	if b.EffectiveAt, err = when(r.typ, "started", started); err != nil {
		return nil, err
	}
	// A study that does not say what it was is LOINC's Diagnostic imaging study.
	b.Code = ehr.Coding{System: "http://loinc.org", Code: "18748-4", Display: "Diagnostic imaging study"}
	if named := codes(s.ProcedureCode); len(named) > 0 {
		b.Code = named[0]
	}
	return s.record("imaging_report", "started", &b.Head, b, append(s.Interpreter, s.Referrer), "code", "procedureCode", "studyUid", "identifier",
		"modalities", "series.modality", "bodySites", "series.bodySite", "findings", "description", "reasons", "reasonCode"), nil
}

// add keeps a list of codes without the same twice.
func add(list []ehr.Coding, c *ehr.Coding) []ehr.Coding {
	if c == nil || slices.Contains(list, *c) {
		return list
	}
	return append(list, *c)
}
