package ehr

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"carewire/internal/care"
)

// criticalLimit is from which values on a result needs a clinician at once: at low and below, at high and above, in the unit.
// The infinities are no limit.
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

// The publications that the built-in limits are from.
const (
	laboratoryReference = "Kost, JAMA 1990;263:704"
	vitalReference      = "Royal College of Physicians, NEWS2, 2017"
)

// criticalLimits are those of adults by LOINC code, built in. Laboratory: the mean limits of 92 medical centers (Kost, "Critical
// limits for urgent clinician notification at US medical centers", JAMA 1990;263:704). Vital signs, which are the codes of
// bounds: what scores 3 in NEWS2 (Royal College of Physicians, National Early Warning Score 2, 2017).
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

// finding is one measured value as what judges it needs it.
type finding struct {
	code           Coding
	value          *Value
	unit           string
	interpretation string
}

// number returns the value where it is a number.
func (f finding) number() (float64, bool) {
	if f.value == nil || f.value.Number == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(*f.value.Number), 64)
	return n, err == nil
}

// critical reports whether the finding needs a clinician at once: the laboratory says so, or the value is beyond the limits
// for its code and unit. The clinic's limit for both replaces the one that is built in.
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

// selectCritical identifies each critical finding, so that a new version raises the alarm only for what the version before
// did not hold.
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

// checkInterpretation refuses an interpretation that value and reference range contradict. A value at a bound may be called
// either.
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

// bounded returns the number, or the other one where there is none.
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
