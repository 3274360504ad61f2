package mapping

import (
	"cmp"
	"fmt"
	"strings"

	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
)

// dosage is FHIR R4's Dosage.
type dosage struct {
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
	MaxDosePerPeriod         *valueRatio            `json:"maxDosePerPeriod"`
	MaxDosePerAdministration *fhir.Quantity         `json:"maxDosePerAdministration"`
	MaxDosePerLifetime       *fhir.Quantity         `json:"maxDosePerLifetime"`
}

type doseAndRate struct {
	Type      *fhir.CodeableConcept `json:"type"`
	Dose      *fhir.Quantity        `json:"doseQuantity"`
	DoseRange *valueRange           `json:"doseRange"`
	Rate      *fhir.Quantity        `json:"rateQuantity"`
	RateRange *valueRange           `json:"rateRange"`
	RateRatio *valueRatio           `json:"rateRatio"`
}

type timing struct {
	Event  []string              `json:"event"`
	Code   *fhir.CodeableConcept `json:"code"`
	Repeat *timingRepeat         `json:"repeat"`
}

type timingRepeat struct {
	BoundsDuration *fhir.Quantity `json:"boundsDuration"`
	BoundsRange    *valueRange    `json:"boundsRange"`
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

// read returns the dosage. An element without a field of its own becomes part of the text, so that
// a dosage never means more or less than the original: a dose range is not its lower end, and a
// medicine to be taken when needed is not one to be taken always.
func (d *dosage) read() ehr.Dosage {
	out := ehr.Dosage{AsNeeded: d.AsNeeded, Route: d.Route.EHRCoding()}
	words := phrases{}
	words.add("", strings.TrimSpace(d.Text))
	if d.AsNeededFor.EHRCoding() != nil {
		needed := true
		out.AsNeeded = &needed
		words.add("as needed for ", d.AsNeededFor.Label())
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
	words.add("at most ", d.MaxDosePerPeriod.text(" per "))
	words.add("at most per dose ", d.MaxDosePerAdministration.Text())
	words.add("at most in a lifetime ", d.MaxDosePerLifetime.Text())
	words.concept("at ", d.Site)
	words.concept("by ", d.Method)
	for i := range d.AdditionalInstruction {
		words.concept("", &d.AdditionalInstruction[i])
	}
	words.add("", d.PatientInstruction)
	out.Text = strings.Join(words, "; ")
	return out
}

// describe adds the parts of a dose that have no field. hasField reports whether its quantity has
// one.
func (d *doseAndRate) describe(words *phrases, hasField bool) {
	kind := ""
	if d.Type.EHRCoding() != nil && !hasField {
		kind = d.Type.Label() + " "
	}
	if !hasField {
		words.add(kind+"dose ", d.Dose.Text())
	}
	words.add(kind+"dose ", d.DoseRange.text())
	words.add("rate ", d.Rate.Text())
	words.add("rate ", d.RateRange.text())
	words.add("rate ", d.RateRatio.text(" per "))
}

// read sets the frequency and its period, if they are exact, and adds everything else to the words.
func (t *timing) read(out *ehr.Dosage, words *phrases) {
	words.concept("", t.Code)
	words.add("on ", strings.Join(t.Event, ", "))
	r := t.Repeat
	if r == nil {
		return
	}
	if r.FrequencyMax == nil && r.PeriodMax == nil {
		out.Frequency, out.Period, out.PeriodUnit = r.Frequency, r.Period, r.PeriodUnit
	} else {
		words.add("", strings.Join(strings.Fields(fmt.Sprintf("%s times per %s %s",
			intSpan(r.Frequency, r.FrequencyMax), decimalSpan(r.Period, r.PeriodMax), r.PeriodUnit)), " "))
	}
	words.add("for ", r.BoundsDuration.Text())
	words.add("for ", r.BoundsRange.text())
	if p := r.BoundsPeriod; p != nil {
		words.add("from ", p.Start)
		words.add("until ", p.End)
	}
	if r.Count != nil {
		words.add("in total ", intSpan(r.Count, r.CountMax)+" times")
	}
	if r.Duration != nil {
		words.add("each for ", decimalSpan(r.Duration, r.DurationMax)+" "+r.DurationUnit)
	}
	words.add("on ", strings.Join(r.DayOfWeek, ", "))
	words.add("at ", strings.Join(r.TimeOfDay, ", "))
	offset := ""
	if r.Offset != nil && *r.Offset != 0 && len(r.When) > 0 {
		offset = fmt.Sprintf("%d min ", *r.Offset)
	}
	for _, when := range r.When {
		words.add(offset, cmp.Or(eventTimings[when], when))
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

// phrases are parts of a text.
type phrases []string

// add adds a text with its prefix, unless it is empty.
func (p *phrases) add(prefix, text string) {
	if text != "" {
		*p = append(*p, prefix+text)
	}
}

func (p *phrases) concept(prefix string, c *fhir.CodeableConcept) {
	if c.EHRCoding() != nil {
		p.add(prefix, c.Label())
	}
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

// text returns the range as text, or "" if it has no end.
func (r *valueRange) text() string {
	if r == nil {
		return ""
	}
	low, high := r.Low.Text(), r.High.Text()
	switch {
	case low == "" && high == "":
		return ""
	case high == "":
		return "at least " + low
	case low == "":
		return "at most " + high
	}
	return low + " - " + high
}

// text returns the ratio as text, or "" if it is empty.
func (r *valueRatio) text(per string) string {
	if r == nil || (r.Numerator.Text() == "" && r.Denominator.Text() == "") {
		return ""
	}
	return r.Numerator.Text() + per + r.Denominator.Text()
}

// summary returns a dosage as text, with the parts that have fields.
func summary(d ehr.Dosage) string {
	words := phrases{}
	if d.Dose != nil {
		words.add("", strings.TrimSpace(string(d.Dose.Value)+" "+d.Dose.Unit))
	}
	if d.Frequency != nil && d.Period != nil {
		words.add("", fmt.Sprintf("%d times per %s %s", *d.Frequency, *d.Period, d.PeriodUnit))
	}
	if d.Route != nil {
		words.add("", cmp.Or(d.Route.Display, d.Route.Code))
	}
	words.add("", d.Text)
	if d.AsNeeded != nil && *d.AsNeeded && !strings.Contains(d.Text, "as needed") {
		words.add("", "as needed")
	}
	return strings.Join(words, "; ")
}
