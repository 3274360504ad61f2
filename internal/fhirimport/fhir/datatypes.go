package fhir

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"carewire/internal/clinic/ehr"
)

// FHIR R4's data types, with the fields that are read. Other fields of a resource are ignored.

type (
	// Coding is a code in a system.
	Coding struct {
		System  string `json:"system"`
		Code    string `json:"code"`
		Display string `json:"display"`
	}
	// CodeableConcept is a concept by codes, text or both.
	CodeableConcept struct {
		Coding []Coding `json:"coding"`
		Text   string   `json:"text"`
	}
	// Identifier is an identifier that a system has assigned.
	Identifier struct {
		System string `json:"system"`
		Value  string `json:"value"`
	}
	// Reference is a reference to a resource, by its address or an identifier.
	Reference struct {
		Reference  string      `json:"reference"`
		Type       string      `json:"type"`
		Identifier *Identifier `json:"identifier"`
		Display    string      `json:"display"`
	}
	// Quantity is a measured amount.
	Quantity struct {
		Value      *ehr.Decimal `json:"value"`
		Comparator string       `json:"comparator"`
		Unit       string       `json:"unit"`
		System     string       `json:"system"`
		Code       string       `json:"code"`
	}
	// Period is a period between two dates or times.
	Period struct {
		Start string `json:"start"`
		End   string `json:"end"`
	}
	// Annotation is a note.
	Annotation struct {
		Text string `json:"text"`
	}
	// Money is an amount of money.
	Money struct {
		Value    json.Number `json:"value"`
		Currency string      `json:"currency"`
	}
)

// absentAsText is the code for a concept that has text and no code (FHIR R4's value set
// data-absent-reason).
const (
	absentSystem = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
	absentAsText = "as-text"
)

// EHRCoding returns the first code that has a system and its form, else the first with a system,
// else the text as a coding, else nil.
func (c *CodeableConcept) EHRCoding() *ehr.Coding {
	if c == nil {
		return nil
	}
	text := c.Text
	var malformed *ehr.Coding
	for _, one := range c.Coding {
		if one.System == "" || one.Code == "" {
			text = cmp.Or(text, one.Display, one.Code)
			continue
		}
		code := ehr.Coding{System: one.System, Code: one.Code, Display: cmp.Or(one.Display, c.Text)}
		if code.HasForm() {
			return &code
		}
		if malformed == nil {
			malformed = &code
		}
	}
	switch {
	case malformed != nil:
		malformed.Display = cmp.Or(malformed.Display, text)
		return malformed
	case text == "":
		return nil
	}
	return AsText(text)
}

// AsText returns the coding of a concept that has text and no code.
func AsText(text string) *ehr.Coding {
	return &ehr.Coding{System: absentSystem, Code: absentAsText, Display: text}
}

// EHRCoding returns the coding, or nil if it is empty.
func (c Coding) EHRCoding() *ehr.Coding {
	return (&CodeableConcept{Coding: []Coding{c}}).EHRCoding()
}

// EHRCodings returns the codings of the concepts that have one.
func EHRCodings(list []CodeableConcept) []ehr.Coding {
	var all []ehr.Coding
	for i := range list {
		if c := list[i].EHRCoding(); c != nil {
			all = append(all, *c)
		}
	}
	return all
}

// HasCode reports whether a concept has one of the codes, in any system.
func (c *CodeableConcept) HasCode(codes ...string) bool {
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

// FirstCode returns the first code of a concept, such as a clinical status.
func (c *CodeableConcept) FirstCode() string {
	if c == nil || len(c.Coding) == 0 {
		return ""
	}
	return c.Coding[0].Code
}

// JoinNotes returns the notes, one per line.
func JoinNotes(list []Annotation) string {
	var all []string
	for _, n := range list {
		if n.Text != "" {
			all = append(all, n.Text)
		}
	}
	return strings.Join(all, "\n")
}

// Label returns a description of the concept for an invoice or a text; the default is "Service".
func (c *CodeableConcept) Label() string {
	code := c.EHRCoding()
	if code == nil {
		return "Service"
	}
	return cmp.Or(code.Display, code.Code)
}

// HumanName is a name of a person.
type HumanName struct {
	Use    string   `json:"use"`
	Text   string   `json:"text"`
	Family string   `json:"family"`
	Given  []string `json:"given"`
}

// ContactPoint is a phone number, an email address or the like.
type ContactPoint struct {
	System string  `json:"system"`
	Value  string  `json:"value"`
	Use    string  `json:"use"`
	Period *Period `json:"period"`
}
