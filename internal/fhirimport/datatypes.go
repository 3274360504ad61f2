package fhirimport

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"carewire/internal/clinic/ehr"
)

// The parts of FHIR R4's data types that are read. What a resource holds besides is not looked at.
type (
	coding struct {
		System  string `json:"system"`
		Code    string `json:"code"`
		Display string `json:"display"`
	}
	codeableConcept struct {
		Coding []coding `json:"coding"`
		Text   string   `json:"text"`
	}
	identifier struct {
		System string `json:"system"`
		Value  string `json:"value"`
	}
	reference struct {
		Reference  string      `json:"reference"`
		Type       string      `json:"type"`
		Identifier *identifier `json:"identifier"`
	}
	quantity struct {
		Value      *ehr.Decimal `json:"value"`
		Comparator string       `json:"comparator"`
		Unit       string       `json:"unit"`
		System     string       `json:"system"`
		Code       string       `json:"code"`
	}
	period struct {
		Start string `json:"start"`
		End   string `json:"end"`
	}
	annotation struct {
		Text string `json:"text"`
	}
	money struct {
		Value    json.Number `json:"value"`
		Currency string      `json:"currency"`
	}
)

// fault is what is wrong with a resource: where, by its path, and what, without values.
type fault struct {
	path, reason string
}

func (f *fault) Error() string { return f.path + ": " + f.reason }

func faulty(path, reason string) error { return &fault{path, reason} }

// skip is why a resource that could be read has no home.
type skip struct{ reason string }

func (s *skip) Error() string { return s.reason }

// decode reads a resource's JSON. The decoder's own words can quote values, so they are not told.
func decode(typ string, raw []byte, into any) error {
	err := json.Unmarshal(raw, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return faulty(join(typ, wrong.Field), "is not of the type that FHIR R4 gives it")
	}
	if err != nil {
		return faulty(typ, "holds a value that is not of the type that FHIR R4 gives it")
	}
	return nil
}

func join(parts ...string) string {
	return strings.Trim(strings.Join(parts, "."), ".")
}

// idForm is FHIR R4's data type id.
var idForm = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)

// asText is the system and code of what was said in words only (FHIR R4's value set data-absent-reason).
const (
	absentSystem = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
	asText       = "as-text"
)

// code takes the first code of a concept that names its system, or else the words.
func (c *codeableConcept) code() *ehr.Coding {
	if c == nil {
		return nil
	}
	words := c.Text
	for _, one := range c.Coding {
		if one.System != "" && one.Code != "" {
			return &ehr.Coding{System: one.System, Code: one.Code, Display: first(one.Display, c.Text)}
		}
		words = first(words, one.Display, one.Code)
	}
	if words == "" {
		return nil
	}
	return &ehr.Coding{System: absentSystem, Code: asText, Display: words}
}

func (c coding) code() *ehr.Coding {
	return (&codeableConcept{Coding: []coding{c}}).code()
}

func codes(list []codeableConcept) []ehr.Coding {
	var all []ehr.Coding
	for i := range list {
		if c := list[i].code(); c != nil {
			all = append(all, *c)
		}
	}
	return all
}

// has reports whether a concept holds one of the codes, of whichever system.
func (c *codeableConcept) has(codes ...string) bool {
	if c == nil {
		return false
	}
	for _, one := range c.Coding {
		if slices.Contains(codes, one.Code) {
			return true
		}
	}
	return false
}

// word is the first code of a concept, such as a clinical status.
func (c *codeableConcept) word() string {
	if c == nil || len(c.Coding) == 0 {
		return ""
	}
	return c.Coding[0].Code
}

// first gives the first text that is not empty.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// moment reads FHIR R4's date, dateTime or instant: a year, a month, a day or a time. What is not told is the earliest.
func moment(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "2006-01", "2006"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// at reads a time that may be left out.
func at(path, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // No time is no error.
	}
	t, ok := moment(text)
	if !ok {
		return nil, faulty(path, "is not a date or time")
	}
	return &t, nil
}

// when gives the first of the times that is there; pairs are a path and its text.
func when(typ string, pairs ...string) (time.Time, error) {
	for i := 0; i+1 < len(pairs); i += 2 {
		t, err := at(typ+"."+pairs[i], pairs[i+1])
		if err != nil {
			return time.Time{}, err
		}
		if t != nil {
			return *t, nil
		}
	}
	return time.Time{}, faulty(typ+"."+pairs[0], "is missing")
}

func (p *period) read(path string) (*ehr.Period, error) {
	if p == nil || (p.Start == "" && p.End == "") {
		return nil, nil //nolint:nilnil // No period is no error.
	}
	start, err := at(path+".start", p.Start)
	if err != nil {
		return nil, err
	}
	end, err := at(path+".end", p.End)
	if err != nil {
		return nil, err
	}
	return &ehr.Period{Start: start, End: end}, nil
}

func notes(list []annotation) string {
	var all []string
	for _, n := range list {
		if n.Text != "" {
			all = append(all, n.Text)
		}
	}
	return strings.Join(all, "\n")
}

var ucumForm = regexp.MustCompile(`^[!-~]{1,50}$`)

// unit gives the quantity's unit in UCUM; one that is not in UCUM stands in braces, UCUM's way to say something in words.
func (q *quantity) unit() string {
	if q.System == "http://unitsofmeasure.org" && q.Code != "" {
		return q.Code
	}
	text := first(q.Code, q.Unit)
	if text == "" || ucumForm.MatchString(text) && !strings.ContainsAny(text, " \"") {
		return text
	}
	text = strings.Map(func(r rune) rune {
		if r == '{' || r == '}' || r <= ' ' || r > '~' || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, text)
	return "{" + text + "}"
}

func (q *quantity) read() *ehr.Quantity {
	if q == nil || q.Value == nil {
		return nil
	}
	return &ehr.Quantity{Value: *q.Value, Unit: q.unit()}
}
