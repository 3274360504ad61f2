package care

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// FieldErrors gathers what is wrong with an input, field by field, so that all of it is said at once.
type FieldErrors []FieldError

// Add notes what is wrong with one field, and how to mend it.
func (errs *FieldErrors) Add(field, format string, args ...any) {
	*errs = append(*errs, FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

// Text notes a problem unless the value is valid UTF-8 of minLength to maxLength characters, none of them a control
// character but tab and line breaks, and holds something to see where minLength is not 0. It may have many lines; Line is for
// names and numbers.
func (errs *FieldErrors) Text(field, value string, minLength, maxLength int) {
	switch n := utf8.RuneCountInString(value); {
	case !utf8.ValidString(value):
		errs.Add(field, "must be valid UTF-8")
	case n == 0 && minLength > 0:
		errs.Add(field, "must not be empty")
	case n < minLength || n > maxLength:
		errs.Add(field, "must have %d to %d characters, not %d", minLength, maxLength, n)
	case minLength > 0 && isBlank(value):
		errs.Add(field, "must hold more than blanks")
	}
	for _, r := range value {
		if unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' {
			errs.Add(field, "must not hold control characters")
			return
		}
	}
}

// Err is an Error of code Invalid that names every field at fault, or nil.
func (errs FieldErrors) Err() error {
	if len(errs) == 0 {
		return nil
	}
	return &Error{Code: Invalid, Message: "the request has an invalid value", Fields: errs}
}
