package ehr

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"

	"carewire/internal/care"
)

// Decimal is a number that keeps its digits: 5.10 is more precise than 5.1. In JSON it is a number.
type Decimal string

// decimalForm is JSON's number (RFC 8259 section 6); decimalLength bounds it well above FHIR R4's
// 18 significant digits.
var decimalForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$`)

const decimalLength = 40

var (
	errDecimal = errors.New("a decimal is a number of at most 40 characters, with an exponent of at most 3 digits")
	errValue   = errors.New("a value is a number, a string or a code")
)

// MarshalJSON implements json.Marshaler. It keeps the digits.
func (d Decimal) MarshalJSON() ([]byte, error) {
	if !d.valid() {
		return nil, errDecimal
	}
	return []byte(d), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Decimal) UnmarshalJSON(data []byte) error {
	*d = Decimal(bytes.TrimSpace(data))
	if !d.valid() {
		return errDecimal
	}
	return nil
}

// check ignores nil.
func (d *Decimal) check(errs *care.FieldErrors, path string) {
	if d != nil && !d.valid() {
		errs.Add(path, "must be a number of at most %d characters", decimalLength)
	}
}

func (d Decimal) valid() bool {
	return len(d) <= decimalLength && decimalForm.MatchString(string(d))
}

// Value is the value of a result: exactly one of a number, a text and a code. In JSON it is a
// number, a string or a Coding object; its JSON schema is oneOf the three.
type Value struct {
	Number *Decimal
	Text   *string
	Coding *Coding `text:"inline"`
}

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) {
	switch {
	case v.Number != nil:
		return json.Marshal(*v.Number)
	case v.Text != nil:
		return json.Marshal(*v.Text)
	case v.Coding != nil:
		return json.Marshal(v.Coding)
	default:
		return []byte("null"), nil
	}
}

// UnmarshalJSON implements json.Unmarshaler. After null the value is empty, and Validate returns an
// error.
func (v *Value) UnmarshalJSON(data []byte) error {
	*v = Value{}
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return errValue
	}
	switch data[0] {
	case '"':
		return json.Unmarshal(data, &v.Text)
	case '{':
		return json.Unmarshal(data, &v.Coding)
	case 'n':
		return nil
	case 't', 'f', '[':
		return errValue
	default:
		return json.Unmarshal(data, &v.Number)
	}
}

// String returns a text for comparisons; it is never logged.
func (v Value) String() string {
	data, _ := json.Marshal(v) // Invalid values were rejected before.
	return string(data)
}

func (v Value) check(errs *care.FieldErrors, path string) {
	switch {
	case v.Number != nil:
		v.Number.check(errs, path)
	case v.Text != nil:
		errs.Text(path, *v.Text, 1, 2000)
	case v.Coding != nil:
		v.Coding.check(errs, path)
	default:
		errs.Add(path, "must be a number, a string or a code")
	}
}
