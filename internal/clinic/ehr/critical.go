package ehr

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"carewire/internal/care"
)

// criticalLimit is the range of values outside which a result needs a clinician at once: values at
// or below low and at or above high are critical. An infinity is no limit.
type criticalLimit struct {
	unit      string
	low, high float64
}

// beyond reports whether the value is critical.
func (l criticalLimit) beyond(n float64) bool { return n <= l.low || n >= l.high }

var (
	criticalPotassium  = []criticalLimit{{"mmol/L", 2.8, 6.2}, {"meq/L", 2.8, 6.2}}
	criticalSodium     = []criticalLimit{{"mmol/L", 120, 158}, {"meq/L", 120, 158}}
	criticalGlucose    = []criticalLimit{{"mg/dL", 46, 484}, {"mmol/L", 2.6, 26.9}}
	criticalCalcium    = []criticalLimit{{"mg/dL", 6.6, 14}, {"mmol/L", 1.65, 3.5}}
	criticalHemoglobin = []criticalLimit{{"g/dL", 6.6, 19.9}, {"g/L", 66, 199}}
	criticalPlatelets  = []criticalLimit{{"10*3/uL", 37, 910}, {"10*9/L", 37, 910}}
	criticalLeukocytes = []criticalLimit{{"10*3/uL", 2, 37}, {"10*9/L", 2, 37}}

	criticalTemperature = []criticalLimit{{"Cel", 35, math.Inf(1)}, {"[degF]", 95, math.Inf(1)}}
	criticalSaturation  = []criticalLimit{{"%", 91, math.Inf(1)}}
)

// The sources of the built-in limits.
const (
	laboratoryReference = "Kost, JAMA 1990;263:704"
	vitalReference      = "Royal College of Physicians, NEWS2, 2017"
)

// criticalLimits are the built-in limits for adults by LOINC code. Laboratory: the mean limits of
// 92 medical centers (Kost, "Critical limits for urgent clinician notification at US medical
// centers", JAMA 1990;263:704). Vital signs, which are the codes in bounds: values that score 3 in
// NEWS2 (Royal College of Physicians, National Early Warning Score 2, 2017).
var criticalLimits = map[string][]criticalLimit{
	"2823-3": criticalPotassium, "6298-4": criticalPotassium,
	"2951-2": criticalSodium, "2947-0": criticalSodium,
	"2345-7": criticalGlucose, "2339-0": criticalGlucose, "14749-6": criticalGlucose, "15074-8": criticalGlucose,
	"17861-6": criticalCalcium, "2000-8": criticalCalcium,
	"718-7": criticalHemoglobin,
	"777-3": criticalPlatelets, "26515-7": criticalPlatelets,
	"6690-2": criticalLeukocytes, "26464-8": criticalLeukocytes,
	"2744-1": {{"[pH]", 7.21, 7.59}},

	"9279-1": {{"/min", 8, 25}},
	"8867-4": {{"/min", 40, 131}},
	"8480-6": {{"mm[Hg]", 90, 220}},
	"2708-6": criticalSaturation, "59408-5": criticalSaturation,
	"8310-5": criticalTemperature, "8331-1": criticalTemperature, "8332-3": criticalTemperature, "8333-1": criticalTemperature,
}

// finding is one measured value, from any kind of record.
type finding struct {
	code           Coding
	value          *Value
	unit           string
	interpretation string
}

// number returns the value if it is a number.
func (f finding) number() (float64, bool) {
	if f.value == nil || f.value.Number == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(*f.value.Number), 64)
	return n, err == nil
}

// critical reports whether the finding needs a clinician at once: the laboratory marked it as
// critical, or the value is beyond the limits for its code and unit. A limit of the clinic replaces
// the built-in limit for the same code and unit.
func (f finding) critical(clinic *clinicLimits) bool {
	if slices.Contains(criticals, f.interpretation) {
		return true
	}
	n, ok := f.number()
	if !ok {
		return false
	}
	if l, ok := clinic.of(f.code, f.unit); ok {
		return l.beyond(n)
	}
	return f.code.System == loinc && slices.ContainsFunc(criticalLimits[f.code.Code], func(l criticalLimit) bool {
		return l.unit == f.unit && l.beyond(n)
	})
}

// selectCritical returns a key for each critical finding. A new version is critical only if it has
// a key that the previous version did not have.
func selectCritical(status string, findings []finding, clinic *clinicLimits) []string {
	if status == retracted || status == "cancelled" {
		return nil
	}
	var list []string
	for _, f := range findings {
		if f.value != nil && f.critical(clinic) {
			list = append(list, fmt.Sprintf("%q %q %s", f.code.System, f.code.Code, *f.value))
		}
	}
	return list
}

var (
	interpretedHigh = []string{"H", "HH", "HU", "H>"}
	interpretedLow  = []string{"L", "LL", "LU", "L<"}
)

// checkInterpretation adds an error if the interpretation contradicts the value and the reference
// range. For a value at a bound, both interpretations are valid.
func (f finding) checkInterpretation(errs *care.FieldErrors, path string, r *ReferenceRange) {
	n, ok := f.number()
	if !ok || r == nil {
		return
	}
	low, high := bounded(r.Low, math.Inf(-1)), bounded(r.High, math.Inf(1))
	var wrong bool
	switch {
	case f.interpretation == "N":
		wrong = n < low || n > high
	case slices.Contains(interpretedHigh, f.interpretation):
		wrong = n < low || (r.High != nil && n < high)
	case slices.Contains(interpretedLow, f.interpretation):
		wrong = n > high || (r.Low != nil && n > low)
	}
	if wrong {
		errs.Add(path+".interpretation", "contradicts the value and the reference range: correct one of the three")
	}
}

// bounded returns the number, or otherwise if d is nil or not a number.
func bounded(d *Decimal, otherwise float64) float64 {
	if d == nil {
		return otherwise
	}
	n, err := strconv.ParseFloat(string(*d), 64)
	if err != nil {
		return otherwise
	}
	return n
}
