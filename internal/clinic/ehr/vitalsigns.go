package ehr

import (
	"slices"
	"strconv"
	"strings"

	"carewire/internal/care"
)

// VitalSigns is one measurement of vital signs, or a panel of several: FHIR R4's Observation of the
// category vital-signs. A pulse has a value; a blood pressure has two components.
type VitalSigns struct {
	Head
	Measured
	BodySite   *Coding     `json:"bodySite,omitempty" doc:"The body site: SNOMED CT."`
	Method     *Coding     `json:"method,omitempty" doc:"The method: SNOMED CT."`
	Components []Component `json:"components,omitempty" maxItems:"100" doc:"The parts of a panel, such as systolic and diastolic blood pressure."`
	Note       string      `json:"note,omitempty" maxLength:"10000"`
}

// Measured is the value of a measurement, or the reason for its absence.
type Measured struct {
	Value            *Value `json:"value,omitempty" doc:"A number, a text, or a code."`
	Unit             string `json:"unit,omitempty" maxLength:"50" doc:"The unit, in UCUM: the unit of FHIR's vital signs profile for the code." example:"/min"`
	Interpretation   string `json:"interpretation,omitempty" maxLength:"10" doc:"A code of v3 ObservationInterpretation." example:"H"`
	DataAbsentReason string `json:"dataAbsentReason,omitempty" enum:"unknown,asked-unknown,temp-unknown,not-asked,asked-declined,masked,not-applicable,unsupported,as-text,error,not-a-number,negative-infinity,positive-infinity,not-performed,not-permitted" doc:"The reason that there is no value."`
}

// Component is one part of a panel.
type Component struct {
	Code Coding `json:"code" doc:"The measurement: LOINC."`
	Measured
}

// Kind implements Body.
func (*VitalSigns) Kind() Spec {
	return Spec{
		Name: "vital_signs", Path: "vital-signs",
		// FHIR R4's value set observation-status.
		Transitions: Transitions{
			{"registered", []string{"preliminary", "final", "cancelled", "unknown"}},
			{"preliminary", []string{"final", "cancelled", "unknown"}},
			{"final", []string{"amended", "corrected"}},
			{"amended", []string{"corrected"}},
			{"corrected", []string{"amended"}},
			{"cancelled", nil},
			{"unknown", []string{"registered", "preliminary", "final", "cancelled"}},
		},
		Released: []string{"final", "amended", "corrected"}, Corrected: []string{"amended", "corrected"},
		Example: `{"status": "final", "code": {"system": "http://loinc.org", "code": "85354-9", "display": "Blood pressure panel"},
			"effectiveAt": "2026-03-14T09:30:00Z", "components": [
				{"code": {"system": "http://loinc.org", "code": "8480-6", "display": "Systolic blood pressure"}, "value": 128, "unit": "mm[Hg]"},
				{"code": {"system": "http://loinc.org", "code": "8462-4", "display": "Diastolic blood pressure"}, "value": 82, "unit": "mm[Hg]"}
			]}`,
	}
}

// bound is the range of possible values of a living patient in a unit. It is far beyond the healthy
// range, but detects typing errors.
type bound struct {
	unit      string
	low, high float64
}

var (
	pressure    = []bound{{"mm[Hg]", 0, 400}}
	temperature = []bound{{"Cel", 10, 50}, {"[degF]", 50, 122}}
	length      = []bound{{"cm", 10, 300}, {"[in_i]", 4, 118}}
	rate        = []bound{{"/min", 0, 500}}
	saturation  = []bound{{"%", 0, 100}}
	weight      = []bound{{"kg", 0.1, 800}, {"g", 100, 800_000}, {"[lb_av]", 0.2, 1760}}
)

// bounds are the ranges for the codes of FHIR R4's vital signs profile by LOINC code, with the
// allowed units of each.
var bounds = map[string][]bound{
	"8480-6": pressure, "8462-4": pressure, "8478-0": pressure,
	"8310-5": temperature, "8331-1": temperature, "8332-3": temperature, "8333-1": temperature, "8328-7": temperature,
	"8302-2": length, "8306-3": length, "9843-4": length,
	"8867-4": rate, "9279-1": rate,
	"2708-6": saturation, "59408-5": saturation,
	"29463-7": weight, "3141-9": weight,
	"39156-5": {{"kg/m2", 2, 300}},
}

// withoutValue are the statuses in which a measurement may have no value.
var withoutValue = []string{"registered", "cancelled", "unknown", retracted}

// absences is FHIR R4's value set data-absent-reason.
var absences = []string{
	"unknown", "asked-unknown", "temp-unknown", "not-asked", "asked-declined", "masked", "not-applicable", "unsupported", "as-text", "error",
	"not-a-number", "negative-infinity", "positive-infinity", "not-performed", "not-permitted",
}

// Validate implements Body.
func (r *VitalSigns) Validate() error {
	var errs care.FieldErrors
	r.check(&errs, r.Kind())
	// FHIR R4, vs-2 and vs-3: a value or the reason for its absence, in the whole or in each of its
	// parts.
	r.checkValue(&errs, "", r.Code, len(r.Components) > 0 || slices.Contains(withoutValue, r.Status))
	checkCode(&errs, "bodySite", r.BodySite)
	checkCode(&errs, "method", r.Method)
	each(&errs, "components", r.Components, maxList, func(errs *care.FieldErrors, path string, c Component) {
		c.Code.check(errs, path+".code")
		c.checkValue(errs, path+".", c.Code, false)
	})
	errs.Text("note", r.Note, 0, noteLength)
	return errs.Err()
}

// criticalFindings implements criticalReporter.
func (r *VitalSigns) criticalFindings(clinic *clinicLimits) []string {
	findings := []finding{r.finding(r.Code)}
	for _, c := range r.Components {
		findings = append(findings, c.finding(c.Code))
	}
	return selectCritical(r.Status, findings, clinic)
}

func (m Measured) finding(code Coding) finding {
	return finding{code, m.Value, m.Unit, m.Interpretation}
}

// checkValue checks the value against the code.
func (m Measured) checkValue(errs *care.FieldErrors, prefix string, code Coding, mayLack bool) {
	switch {
	case m.Value != nil && m.DataAbsentReason != "":
		errs.Add(prefix+"dataAbsentReason", "must not be set together with a value")
	case m.Value != nil:
		m.Value.check(errs, prefix+"value")
	case m.DataAbsentReason == "" && !mayLack:
		errs.Add(prefix+"value", "is required, unless dataAbsentReason is set")
	}
	oneOf(errs, prefix+"dataAbsentReason", m.DataAbsentReason, absences...)
	oneOf(errs, prefix+"interpretation", m.Interpretation, interpretations...)
	checkUnit(errs, prefix+"unit", m.Unit)
	if m.Value != nil && m.Value.Number != nil && code.System == loinc {
		m.checkBound(errs, prefix, bounds[code.Code])
	}
}

// checkBound accepts every number if the code has no bounds.
func (m Measured) checkBound(errs *care.FieldErrors, prefix string, all []bound) {
	var units []string
	for _, b := range all {
		if b.unit == m.Unit {
			n, err := strconv.ParseFloat(string(*m.Value.Number), 64)
			if err == nil && (n < b.low || n > b.high) {
				errs.Add(prefix+"value", "must be %v to %v %s for this code", b.low, b.high, b.unit)
			}
			return
		}
		units = append(units, b.unit)
	}
	if len(units) > 0 {
		errs.Add(prefix+"unit", "must be %s for this code", strings.Join(units, " or "))
	}
}
