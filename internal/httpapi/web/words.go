package web

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/ehr"
)

// interpretations are the display names of v3 ObservationInterpretation, in sentence case
// (HL7 Terminology, CodeSystem v3-ObservationInterpretation).
var interpretations = map[string]string{
	"N": "Normal", "A": "Abnormal", "AA": "Critically abnormal", "H": "High", "HH": "Critically high", "L": "Low", "LL": "Critically low",
	"HU": "Significantly high", "H>": "Significantly high", "LU": "Significantly low", "L<": "Significantly low",
	"<": "Below the measurable range", ">": "Above the measurable range", "EX": "Outside the threshold", "HX": "Above the high threshold", "LX": "Below the low threshold",
	"POS": "Positive", "NEG": "Negative", "DET": "Detected", "ND": "Not detected", "IND": "Indeterminate", "E": "Equivocal",
	"RR": "Reactive", "WR": "Weakly reactive", "NR": "Non-reactive", "EXP": "Expected", "UNE": "Unexpected", "CAR": "Carrier",
	"B": "Better", "W": "Worse", "U": "Significant change up", "D": "Significant change down",
	"S": "Susceptible", "R": "Resistant", "I": "Intermediate", "NS": "Non-susceptible", "SDD": "Susceptible, depending on the dose",
	"MS": "Moderately susceptible", "VS": "Very susceptible", "SYN-R": "Synergy: resistant", "SYN-S": "Synergy: susceptible", "NCL": "No CLSI-defined breakpoint",
	"IE": "Insufficient evidence", "HM": "Hold for medical review", "TOX": "Cytotoxic substance present", "AC": "Anti-complementary substances present",
	"QCF": "Quality control failure", "OBX": "See the other findings",
}

// ordinary are the interpretations that are not marked in a page.
var ordinary = map[string]bool{"": true, "N": true, "NEG": true, "ND": true, "NR": true, "EXP": true, "S": true, "VS": true, "B": true, "IND": true, "OBX": true}

// interpretation returns the words of a code, or the code if there are none.
func interpretation(code string) string {
	if words, ok := interpretations[code]; ok {
		return words
	}
	return code
}

// unitWords are the units whose UCUM code a patient would not recognize.
var unitWords = map[string]string{
	"Cel": "°C", "[degF]": "°F", "mm[Hg]": "mmHg", "/min": "per minute", "kg/m2": "kg/m²", "[in_i]": "in", "[lb_av]": "lb", "1": "",
	"s": "seconds", "d": "days", "h": "hours", "wk": "weeks", "mo": "months", "a": "years", "min": "minutes",
}

// unitParts replace parts of other units.
var unitParts = strings.NewReplacer("10*3", "10³", "10*6", "10⁶", "10*9", "10⁹", "10*12", "10¹²", "[IU]", "IU", "[iU]", "IU", "mm[Hg]", "mmHg", "{", "", "}", "", "/1.73.m2", "/1.73 m²")

// unit returns a UCUM unit as people write it.
func unit(ucum string) string {
	if words, ok := unitWords[ucum]; ok {
		return words
	}
	text := unitParts.Replace(ucum)
	if rest, ok := strings.CutPrefix(text, "ug"); ok {
		text = "µg" + rest
	}
	return text
}

// quantity returns a number with its unit.
func quantity(number, ucum string) string { return strings.TrimSpace(number + " " + unit(ucum)) }

// words returns a code of a status or an enumeration in words: "partly_paid" is "Partly paid".
func words(code string) string {
	return capital(strings.NewReplacer("-", " ", "_", " ").Replace(code))
}

// label returns the words of a field's JSON name: "lotNumber" is "Lot number".
func label(name string) string {
	if known, ok := fieldLabels[name]; ok {
		return known
	}
	var out strings.Builder
	for _, r := range strings.TrimSuffix(name, "At") {
		if unicode.IsUpper(r) {
			out.WriteByte(' ')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return capital(out.String())
}

var fieldLabels = map[string]string{
	"substitutionAllowed": "Another product allowed", "quantity": "Quantity of one fill", "dosageInstructions": "How to take it", "dosage": "How to take it",
	"reasons": "Because of", "seriesDoses": "Doses in the series", "primarySource": "Recorded by the person who gave it", "validityPeriod": "Can be filled",
	"dose": "Dose", "asNeeded": "Only when needed",
}

func capital(s string) string {
	for i, r := range s {
		return string(unicode.ToUpper(r)) + s[i+len(string(r)):]
	}
	return s
}

// uncapital returns a sentence as a part of another one.
func uncapital(s string) string {
	for i, r := range s {
		return string(unicode.ToLower(r)) + s[i+len(string(r)):]
	}
	return s
}

// coding returns the display text of a code, or the code.
func coding(c ehr.Coding) string {
	if c.Display != "" {
		return c.Display
	}
	return c.Code
}

// masked reports whether the content of a record is withheld from its patient (FHIR R4,
// data-absent-reason).
func masked(head ehr.Head) bool {
	return head.Code.System == "http://terminology.hl7.org/CodeSystem/data-absent-reason" && head.Code.Code == "masked"
}

// day returns a date in words. moment adds the time of day; midnight in both UTC and the zone
// cannot be told from a date, so it is shown too.
func day(t time.Time, zone *time.Location) string { return t.In(zone).Format("2 January 2006") }

func moment(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2 January 2006, 15:04")
}

// when returns a time as precisely as it is known: a year, a month, a day or a moment. A partial
// date is the same in every zone.
func when(t ehr.Time, zone *time.Location) string {
	if !t.IsPartial() {
		return moment(t.Start(), zone)
	}
	text := t.String()
	if t.HasDay() {
		return date(text)
	}
	if month, err := time.Parse("2006-01", text); err == nil {
		return month.Format("January 2006")
	}
	return text
}

// date returns an ISO date in words, or the text if it is none.
func date(iso string) string {
	t, err := time.Parse(time.DateOnly, iso)
	if err != nil {
		return iso
	}
	return t.Format("2 January 2006")
}

// money returns an amount of minor units with the digits of the currency: "1,234.50 EUR".
func money(minor int64, digits int, currency string) string {
	sign := ""
	if minor < 0 {
		sign, minor = "−", -minor
	}
	text := fmt.Sprintf("%0*d", digits+1, minor)
	whole, rest := text[:len(text)-digits], text[len(text)-digits:]
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		rest = "." + rest
	}
	return sign + whole + rest + " " + currency
}

// amount returns a function that formats the amounts of an invoice.
func amount(i billing.Invoice) func(minor int64) string {
	return func(minor int64) string { return money(minor, i.MinorDigits, i.Currency) }
}

// percent returns basis points as a percentage.
func percent(bps int32) string {
	text := fmt.Sprintf("%d.%02d", bps/100, bps%100)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + " %"
}
