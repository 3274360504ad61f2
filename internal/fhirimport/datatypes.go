package fhirimport

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

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
			return &ehr.Coding{System: one.System, Code: one.Code, Display: cmp.Or(one.Display, c.Text)}
		}
		words = cmp.Or(words, one.Display, one.Code)
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

func notes(list []annotation) string {
	var all []string
	for _, n := range list {
		if n.Text != "" {
			all = append(all, n.Text)
		}
	}
	return strings.Join(all, "\n")
}

// words is what a bill says of a thing.
func (c *codeableConcept) words() string {
	code := c.code()
	if code == nil {
		return "Service"
	}
	return cmp.Or(code.Display, code.Code)
}

type humanName struct {
	Use    string   `json:"use"`
	Text   string   `json:"text"`
	Family string   `json:"family"`
	Given  []string `json:"given"`
}

type contactPoint struct {
	System string  `json:"system"`
	Value  string  `json:"value"`
	Use    string  `json:"use"`
	Period *period `json:"period"`
}
