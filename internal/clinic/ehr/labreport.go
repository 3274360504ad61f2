package ehr

import (
	"fmt"
	"slices"

	"carewire/internal/care"
)

// LabReport is a laboratory report: FHIR R4's DiagnosticReport with its Observations inside.
type LabReport struct {
	Head
	Results []Result `json:"results" maxItems:"500" doc:"The findings; a report in a reporting status has at least one."`
}

// Result is one finding of a report.
type Result struct {
	Code           Coding          `json:"code" doc:"The measurement."`
	Value          Value           `json:"value" doc:"A number, a text, or a code."`
	Unit           string          `json:"unit,omitempty" maxLength:"50" doc:"The unit, in UCUM." example:"mmol/L"`
	Interpretation string          `json:"interpretation,omitempty" maxLength:"10" doc:"A code of v3 ObservationInterpretation. HH, LL and AA are critical, and so is a value beyond the critical limits for its LOINC code and unit. A code that contradicts the value and the reference range is invalid." example:"H"`
	ReferenceRange *ReferenceRange `json:"referenceRange,omitempty"`
}

// ReferenceRange is the normal range: from Low to High in the result's unit, or a text.
type ReferenceRange struct {
	Low  *Decimal `json:"low,omitempty"`
	High *Decimal `json:"high,omitempty"`
	Text string   `json:"text,omitempty" maxLength:"500"`
}

// Kind implements Body.
func (*LabReport) Kind() Spec {
	return Spec{
		Name: "lab_report", Path: "lab-reports", Transitions: reportTransitions, Released: reportReleased, Corrected: reportReleased[1:],
		Example: `{"status": "final", "code": {"system": "http://loinc.org", "code": "24323-8", "display": "Comprehensive metabolic panel"},
			"effectiveAt": "2026-03-14T09:30:00Z", "results": [{
				"code": {"system": "http://loinc.org", "code": "2823-3", "display": "Potassium"},
				"value": 4.1, "unit": "mmol/L", "interpretation": "N", "referenceRange": {"low": 3.5, "high": 5.1}
			}]}`,
	}
}

const maxResults = 500

var (
	// reportTransitions has FHIR R4's value set diagnostic-report-status.
	reportTransitions = Transitions{
		{"registered", []string{"partial", "preliminary", "final", "cancelled", "unknown"}},
		{"partial", []string{"preliminary", "final", "cancelled", "unknown"}},
		{"preliminary", []string{"partial", "final", "cancelled", "unknown"}},
		{"final", []string{"amended", "corrected", "appended"}},
		{"amended", []string{"corrected", "appended"}},
		{"corrected", []string{"amended", "appended"}},
		{"appended", []string{"amended", "corrected"}},
		{"cancelled", nil},
		{"unknown", []string{"registered", "partial", "preliminary", "final", "cancelled"}},
	}
	reportReleased = []string{"final", "amended", "corrected", "appended"}
	// withoutResults are the statuses in which a report may have no results.
	withoutResults = []string{"registered", "cancelled", retracted, "unknown"}
	// interpretations is HL7's v3 code system ObservationInterpretation, without deprecated codes.
	interpretations = []string{
		"<", ">", "A", "AA", "AC", "B", "CAR", "D", "DET", "E", "EX", "EXP", "H", "H>", "HH", "HM", "HU", "HX", "I", "IE", "IND",
		"L", "L<", "LL", "LU", "LX", "MS", "N", "NCL", "ND", "NEG", "NR", "NS", "OBX", "POS", "QCF", "R", "RR", "S", "SDD",
		"SYN-R", "SYN-S", "TOX", "U", "UNE", "VS", "W", "WR",
	}
	criticals = []string{"HH", "LL", "AA"}
)

// IsInterpretation reports whether the code is one of v3 ObservationInterpretation.
func IsInterpretation(code string) bool { return slices.Contains(interpretations, code) }

// Validate implements Body.
func (r *LabReport) Validate() error {
	var errs care.FieldErrors
	r.check(&errs, r.Kind())
	if len(r.Results) == 0 && !slices.Contains(withoutResults, r.Status) {
		errs.Add("results", "must have at least one result in this status")
	}
	each(&errs, "results", r.Results, maxResults, func(errs *care.FieldErrors, path string, result Result) { result.check(errs, path) })
	return errs.Err()
}

func (r Result) check(errs *care.FieldErrors, path string) {
	r.Code.check(errs, path+".code")
	r.Value.check(errs, path+".value")
	checkUnit(errs, path+".unit", r.Unit)
	if r.Interpretation != "" && !slices.Contains(interpretations, r.Interpretation) {
		errs.Add(path+".interpretation", "must be a code of v3 ObservationInterpretation, such as N, H, L, HH, LL or AA")
	}
	if rng := r.ReferenceRange; rng != nil {
		rng.Low.check(errs, path+".referenceRange.low")
		rng.High.check(errs, path+".referenceRange.high")
		errs.Text(path+".referenceRange.text", rng.Text, 0, 500)
	}
}

func (r Result) finding() finding { return finding{r.Code, &r.Value, r.Unit, r.Interpretation} }

// criticalFindings implements criticalReporter.
func (r *LabReport) criticalFindings(clinic *clinicLimits) []string {
	var findings []finding
	for _, result := range r.Results {
		findings = append(findings, result.finding())
	}
	return selectCritical(r.Status, findings, clinic)
}

func (r *LabReport) checkMeaning(errs *care.FieldErrors) {
	for i, result := range r.Results {
		result.finding().checkInterpretation(errs, fmt.Sprintf("results[%d]", i), result.ReferenceRange)
	}
}
