package mapping

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/meaning"
)

// imagingSections are the codes of imaging in HL7's table 0074 (diagnostic service sections), and
// SNOMED CT's radiology.
var imagingSections = []string{"RAD", "RX", "CT", "CUS", "OUS", "RUS", "VUS", "NMR", "NMS", "XRC", "VR", "394914008", "imaging"}

type diagnosticReport struct {
	common
	Contained          fhir.Contained         `json:"contained"`
	Category           []fhir.CodeableConcept `json:"category"`
	Code               *fhir.CodeableConcept  `json:"code"`
	EffectiveDateTime  string                 `json:"effectiveDateTime"`
	EffectivePeriod    *fhir.Period           `json:"effectivePeriod"`
	Issued             string                 `json:"issued"`
	ResultsInterpreter []*fhir.Reference      `json:"resultsInterpreter"`
	Performer          []*fhir.Reference      `json:"performer"`
	Result             []fhir.Reference       `json:"result"`
	ImagingStudy       []fhir.Reference       `json:"imagingStudy"`
	Conclusion         string                 `json:"conclusion"`
	ConclusionCode     []fhir.CodeableConcept `json:"conclusionCode"`
	PresentedForm      []struct {
		Data string `json:"data"`
	} `json:"presentedForm"`
}

func readDiagnosticReport(_ *Options, r *fhir.Resource) (*Draft, error) {
	var p diagnosticReport
	if err := fhir.Decode(r.Type, r.Raw, &p); err != nil {
		return nil, err
	}
	for i, form := range p.PresentedForm {
		if !isBase64(form.Data) {
			return nil, fhir.NewError(fmt.Sprintf("%s.presentedForm[%d].data", r.Type, i), "is not base64")
		}
	}
	status, err := meaning.DecideStatus(r.Type, "status", p.Status)
	if err != nil {
		return nil, err
	}
	head, at, err := p.head(r.Type)
	if err != nil {
		return nil, err
	}
	head.Status = status.As
	d, err := p.report(r.Type, head)
	if err != nil {
		return nil, err
	}
	d.dateHead(at, p.Meta)
	d.setStatus(status, r.Type+".status")
	d.Paths["doctorId"] = "performer"
	return d, nil
}

// report returns an imaging report or a lab report.
func (p *diagnosticReport) report(typ string, head ehr.Head) (*Draft, error) {
	doctors := append(p.ResultsInterpreter, p.Performer...)
	if p.isImaging() {
		b := &ehr.ImagingReport{Head: head, Conclusion: p.Conclusion, ConclusionCodes: fhir.EHRCodings(p.ConclusionCode)}
		return p.record("imaging_report", "effectiveDateTime", &b.Head, b, doctors, "conclusionCodes", "conclusionCode"), nil
	}
	b := &ehr.LabReport{Head: head, Results: []ehr.Result{}}
	d := p.record("lab_report", "effectiveDateTime", &b.Head, b, doctors, "results", "result")
	return d, p.addResults(d, b, typ)
}

func (p *diagnosticReport) head(typ string) (ehr.Head, dated, error) {
	if p.EffectivePeriod == nil {
		p.EffectivePeriod = &fhir.Period{}
	}
	at, err := firstDate(typ, 3, "effectiveDateTime", p.EffectiveDateTime, "effectivePeriod.start", p.EffectivePeriod.Start, "effectivePeriod.end", p.EffectivePeriod.End,
		"issued", p.Issued)
	if err != nil {
		return ehr.Head{}, at, err
	}
	code, err := requiredCode(typ+".code", p.Code)
	return ehr.Head{Status: p.Status, EffectiveAt: at.Time, Code: code}, at, err
}

// isImaging reports whether the report has imaging studies or a category of imaging.
func (p *diagnosticReport) isImaging() bool {
	return len(p.ImagingStudy) > 0 ||
		slices.ContainsFunc(p.Category, func(c fhir.CodeableConcept) bool { return c.HasCode(imagingSections...) })
}

// addResults adds the observations of the report's result to the body: contained ones at once, the
// others as parts of the draft. The conclusion is the result of a report without any.
func (p *diagnosticReport) addResults(d *Draft, b *ehr.LabReport, typ string) error {
	results := make([][]ehr.Result, len(p.Result))
	for i := range p.Result {
		path := typ + ".result[" + strconv.Itoa(i) + "]"
		use := func(part ObservationPart) bool {
			if part.Excluded != "" {
				d.Note(path, part.Excluded)
				return false
			}
			if part.Preliminary && b.Status != "preliminary" && b.Status != "partial" {
				d.Note(path, "is preliminary, unlike the report")
			}
			results[i] = part.Results
			return true
		}
		if raw := p.Contained.Get(&p.Result[i]); raw != nil {
			part, err := ReadObservationPart(raw)
			if err != nil {
				return err
			}
			use(part)
			continue
		}
		apply := func(body []byte) (bool, error) {
			var part ObservationPart
			err := fhir.Decode(path, body, &part)
			return err == nil && use(part), err
		}
		d.Parts = append(d.Parts, Part{path, p.Result[i].Keys("Observation"), apply})
	}
	d.Finish = func(*Draft) error {
		b.Results = slices.Concat(results...)
		if len(b.Results) == 0 {
			b.Results = conclusionResults(b.Code, p.Conclusion, p.ConclusionCode)
		}
		if b.Results == nil {
			b.Results = []ehr.Result{}
		}
		return nil
	}
	return nil
}

// isBase64 reports whether text is FHIR R4's base64Binary, which may contain white space.
func isBase64(text string) bool {
	_, err := base64.StdEncoding.Strict().DecodeString(strings.Join(strings.Fields(text), ""))
	return err == nil
}

// conclusionResults returns the conclusion as results.
func conclusionResults(code ehr.Coding, words string, list []fhir.CodeableConcept) []ehr.Result {
	var results []ehr.Result
	if words != "" {
		results = append(results, ehr.Result{Code: code, Value: ehr.Value{Text: &words}})
	}
	for _, c := range fhir.EHRCodings(list) {
		results = append(results, ehr.Result{Code: code, Value: ehr.Value{Coding: &c}})
	}
	return results
}

type imagingStudy struct {
	common
	Identifier        []fhir.Identifier      `json:"identifier"`
	Started           string                 `json:"started"`
	Modality          []fhir.Coding          `json:"modality"`
	NumberOfSeries    *int                   `json:"numberOfSeries"`
	NumberOfInstances *int                   `json:"numberOfInstances"`
	ProcedureCode     []fhir.CodeableConcept `json:"procedureCode"`
	ReasonCode        []fhir.CodeableConcept `json:"reasonCode"`
	Interpreter       []*fhir.Reference      `json:"interpreter"`
	Referrer          *fhir.Reference        `json:"referrer"`
	Description       string                 `json:"description"`
	Series            []struct {
		Modality fhir.Coding  `json:"modality"`
		BodySite *fhir.Coding `json:"bodySite"`
		Started  string       `json:"started"`
	} `json:"series"`
}

func readImagingStudy(_ *Options, r *fhir.Resource) (*Draft, error) {
	var s imagingStudy
	if err := fhir.Decode(r.Type, r.Raw, &s); err != nil {
		return nil, err
	}
	status, err := meaning.DecideStatus(r.Type, "status", s.Status)
	if err != nil {
		return nil, err
	}
	b := &ehr.ImagingReport{Head: ehr.Head{Status: status.As}, SeriesCount: s.NumberOfSeries, InstanceCount: s.NumberOfInstances, Reasons: fhir.EHRCodings(s.ReasonCode), Findings: s.Description}
	started := s.Started
	for _, m := range s.Modality {
		b.Modalities = appendUnique(b.Modalities, m.EHRCoding())
	}
	for _, series := range s.Series {
		started = cmp.Or(started, series.Started)
		b.Modalities = appendUnique(b.Modalities, series.Modality.EHRCoding())
		if series.BodySite != nil {
			b.BodySites = appendUnique(b.BodySites, series.BodySite.EHRCoding())
		}
	}
	for _, id := range s.Identifier {
		if uid, ok := strings.CutPrefix(id.Value, "urn:oid:"); ok && b.StudyUID == "" {
			b.StudyUID = uid
		}
	}
	at, err := firstDate(r.Type, 1, "started", started)
	if err != nil {
		return nil, err
	}
	b.EffectiveAt = at.Time
	// The default is LOINC's "Diagnostic imaging study".
	b.Code = ehr.Coding{System: "http://loinc.org", Code: "18748-4", Display: "Diagnostic imaging study"}
	if named := fhir.EHRCodings(s.ProcedureCode); len(named) > 0 {
		b.Code = named[0]
	}
	d := s.record("imaging_report", "started", &b.Head, b, append(s.Interpreter, s.Referrer), "code", "procedureCode", "studyUid", "identifier",
		"modalities", "series.modality", "bodySites", "series.bodySite", "findings", "description", "reasons", "reasonCode", "doctorId", "interpreter")
	d.dateHead(at, s.Meta)
	d.setStatus(status, r.Type+".status")
	return d, nil
}

// appendUnique appends a code unless it is in the list.
func appendUnique(list []ehr.Coding, c *ehr.Coding) []ehr.Coding {
	if c == nil || slices.Contains(list, *c) {
		return list
	}
	return append(list, *c)
}
