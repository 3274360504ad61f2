package care

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// FieldErrors collects the faults of an input by field, so that they are reported together.
type FieldErrors []FieldError

// Add adds a fault of one field, and how to fix it.
func (errs *FieldErrors) Add(field, format string, args ...any) {
	*errs = append(*errs, FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

// Text adds an error unless the value is valid UTF-8 of minLength to maxLength characters, without
// control characters other than tab and line breaks. If minLength is not 0, the value must contain
// a visible character. It may have many lines; use Line for names and numbers.
func (errs *FieldErrors) Text(field, value string, minLength, maxLength int) {
	switch n := utf8.RuneCountInString(value); {
	case !utf8.ValidString(value):
		errs.Add(field, "must be valid UTF-8")
	case n == 0 && minLength > 0:
		errs.Add(field, "must not be empty")
	case n < minLength || n > maxLength:
		errs.Add(field, "must have %d to %d characters, not %d", minLength, maxLength, n)
	case minLength > 0 && isBlank(value):
		errs.Add(field, "must not be blank")
	}
	for _, r := range value {
		if unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' {
			errs.Add(field, "must not contain control characters")
			return
		}
	}
}

// Err returns an Error of code Invalid with every invalid field, or nil if there are none.
func (errs FieldErrors) Err() error {
	if len(errs) == 0 {
		return nil
	}
	return &Error{Code: Invalid, Message: "the request has an invalid value", Fields: errs}
}
