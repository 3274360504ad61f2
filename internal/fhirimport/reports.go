package fhirimport

import (
	"cmp"
	"encoding/base64"
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
		started = cmp.Or(started, series.Started)
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
