package dosage

import (
	"cmp"
	"fmt"
	"strings"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
)

// Dosage is FHIR R4's Dosage.
type Dosage struct {
	Text                     string                 `json:"text"`
	AdditionalInstruction    []fhir.CodeableConcept `json:"additionalInstruction"`
	PatientInstruction       string                 `json:"patientInstruction"`
	Timing                   *timing                `json:"timing"`
	AsNeeded                 *bool                  `json:"asNeededBoolean"`
	AsNeededFor              *fhir.CodeableConcept  `json:"asNeededCodeableConcept"`
	Site                     *fhir.CodeableConcept  `json:"site"`
	Route                    *fhir.CodeableConcept  `json:"route"`
	Method                   *fhir.CodeableConcept  `json:"method"`
	DoseAndRate              []doseAndRate          `json:"doseAndRate"`
	MaxDosePerPeriod         *fhir.Ratio            `json:"maxDosePerPeriod"`
	MaxDosePerAdministration *fhir.Quantity         `json:"maxDosePerAdministration"`
	MaxDosePerLifetime       *fhir.Quantity         `json:"maxDosePerLifetime"`
}

type doseAndRate struct {
	Type      *fhir.CodeableConcept `json:"type"`
	Dose      *fhir.Quantity        `json:"doseQuantity"`
	DoseRange *fhir.Range           `json:"doseRange"`
	Rate      *fhir.Quantity        `json:"rateQuantity"`
	RateRange *fhir.Range           `json:"rateRange"`
	RateRatio *fhir.Ratio           `json:"rateRatio"`
}

type timing struct {
	Event  []string              `json:"event"`
	Code   *fhir.CodeableConcept `json:"code"`
	Repeat *timingRepeat         `json:"repeat"`
}

type timingRepeat struct {
	BoundsDuration *fhir.Quantity `json:"boundsDuration"`
	BoundsRange    *fhir.Range    `json:"boundsRange"`
	BoundsPeriod   *fhir.Period   `json:"boundsPeriod"`
	Count          *int           `json:"count"`
	CountMax       *int           `json:"countMax"`
	Duration       *ehr.Decimal   `json:"duration"`
	DurationMax    *ehr.Decimal   `json:"durationMax"`
	DurationUnit   string         `json:"durationUnit"`
	Frequency      *int           `json:"frequency"`
	FrequencyMax   *int           `json:"frequencyMax"`
	Period         *ehr.Decimal   `json:"period"`
	PeriodMax      *ehr.Decimal   `json:"periodMax"`
	PeriodUnit     string         `json:"periodUnit"`
	DayOfWeek      []string       `json:"dayOfWeek"`
	TimeOfDay      []string       `json:"timeOfDay"`
	When           []string       `json:"when"`
	Offset         *int           `json:"offset"`
}

// Read returns the dosage. An element without a field of its own becomes part of the text, so that
// a dosage never means more or less than the original: a dose range is not its lower end, and a
// medicine to be taken when needed is not one to be taken always.
func (d *Dosage) Read() ehr.Dosage {
	out := ehr.Dosage{AsNeeded: d.AsNeeded, Route: d.Route.EHRCoding()}
	words := fhir.Phrases{}
	words.Add("", strings.TrimSpace(d.Text))
	if d.AsNeededFor.EHRCoding() != nil {
		needed := true
		out.AsNeeded = &needed
		words.Add("as needed for ", d.AsNeededFor.Label())
	}
	for i := range d.DoseAndRate {
		dose := &d.DoseAndRate[i]
		if i == 0 && dose.Dose != nil && dose.Dose.Comparator == "" {
			out.Dose = dose.Dose.EHRQuantity()
		}
		dose.describe(&words, out.Dose != nil && i == 0)
	}
	if d.Timing != nil {
		d.Timing.read(&out, &words)
	}
	words.Add("at most ", d.MaxDosePerPeriod.Text(" per "))
	words.Add("at most per dose ", d.MaxDosePerAdministration.Text())
	words.Add("at most in a lifetime ", d.MaxDosePerLifetime.Text())
	words.Concept("at ", d.Site)
	words.Concept("by ", d.Method)
	for i := range d.AdditionalInstruction {
		words.Concept("", &d.AdditionalInstruction[i])
	}
	words.Add("", d.PatientInstruction)
	out.Text = strings.Join(words, "; ")
	return out
}

// describe adds the parts of a dose that have no field. hasField reports whether its quantity has
// one.
func (d *doseAndRate) describe(words *fhir.Phrases, hasField bool) {
	kind := ""
	if d.Type.EHRCoding() != nil && !hasField {
		kind = d.Type.Label() + " "
	}
	if !hasField {
		words.Add(kind+"dose ", d.Dose.Text())
	}
	words.Add(kind+"dose ", d.DoseRange.Text())
	words.Add("rate ", d.Rate.Text())
	words.Add("rate ", d.RateRange.Text())
	words.Add("rate ", d.RateRatio.Text(" per "))
}

// read sets the frequency and its period, if they are exact, and adds everything else to the words.
func (t *timing) read(out *ehr.Dosage, words *fhir.Phrases) {
	words.Concept("", t.Code)
	words.Add("on ", strings.Join(t.Event, ", "))
	r := t.Repeat
	if r == nil {
		return
	}
	if r.FrequencyMax == nil && r.PeriodMax == nil {
		out.Frequency, out.Period, out.PeriodUnit = r.Frequency, r.Period, r.PeriodUnit
	} else {
		words.Add("", strings.Join(strings.Fields(fmt.Sprintf("%s times per %s %s",
			intSpan(r.Frequency, r.FrequencyMax), decimalSpan(r.Period, r.PeriodMax), r.PeriodUnit)), " "))
	}
	words.Add("for ", r.BoundsDuration.Text())
	words.Add("for ", r.BoundsRange.Text())
	if p := r.BoundsPeriod; p != nil {
		words.Add("from ", p.Start)
		words.Add("until ", p.End)
	}
	if r.Count != nil {
		words.Add("in total ", intSpan(r.Count, r.CountMax)+" times")
	}
	if r.Duration != nil {
		words.Add("each for ", decimalSpan(r.Duration, r.DurationMax)+" "+r.DurationUnit)
	}
	words.Add("on ", strings.Join(r.DayOfWeek, ", "))
	words.Add("at ", strings.Join(r.TimeOfDay, ", "))
	offset := ""
	if r.Offset != nil && *r.Offset != 0 && len(r.When) > 0 {
		offset = fmt.Sprintf("%d min ", *r.Offset)
	}
	for _, when := range r.When {
		words.Add(offset, cmp.Or(eventTimings[when], when))
	}
}

// eventTimings are words for FHIR R4's value set event-timing.
var eventTimings = map[string]string{
	"MORN": "in the morning", "MORN.early": "early in the morning", "MORN.late": "late in the morning", "NOON": "at noon", "AFT": "in the afternoon",
	"AFT.early": "early in the afternoon", "AFT.late": "late in the afternoon", "EVE": "in the evening", "EVE.early": "early in the evening",
	"EVE.late": "late in the evening", "NIGHT": "at night", "PHS": "after falling asleep", "HS": "before sleep", "WAKE": "on waking",
	"C": "with a meal", "CM": "with breakfast", "CD": "with lunch", "CV": "with dinner", "AC": "before a meal", "ACM": "before breakfast",
	"ACD": "before lunch", "ACV": "before dinner", "PC": "after a meal", "PCM": "after breakfast", "PCD": "after lunch", "PCV": "after dinner",
}

// intSpan returns "low" or "low to high".
func intSpan(low, high *int) string {
	switch {
	case low == nil && high == nil:
		return ""
	case high == nil:
		return fmt.Sprint(*low)
	case low == nil:
		return fmt.Sprintf("at most %d", *high)
	}
	return fmt.Sprintf("%d to %d", *low, *high)
}

func decimalSpan(low, high *ehr.Decimal) string {
	switch {
	case low == nil && high == nil:
		return ""
	case high == nil:
		return string(*low)
	case low == nil:
		return "at most " + string(*high)
	}
	return string(*low) + " to " + string(*high)
}

// Summary returns a dosage as text, with the parts that have fields.
func Summary(d ehr.Dosage) string {
	words := fhir.Phrases{}
	if d.Dose != nil {
		words.Add("", strings.TrimSpace(string(d.Dose.Value)+" "+d.Dose.Unit))
	}
	if d.Frequency != nil && d.Period != nil {
		words.Add("", fmt.Sprintf("%d times per %s %s", *d.Frequency, *d.Period, d.PeriodUnit))
	}
	if d.Route != nil {
		words.Add("", cmp.Or(d.Route.Display, d.Route.Code))
	}
	words.Add("", d.Text)
	if d.AsNeeded != nil && *d.AsNeeded && !strings.Contains(d.Text, "as needed") {
		words.Add("", "as needed")
	}
	return strings.Join(words, "; ")
}
