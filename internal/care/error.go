package care

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// Code is the class of a refusal. Only httpapi knows which HTTP status each is.
type Code string

// The codes.
const (
	Malformed            Code = "malformed"             // The request cannot be read at all.
	Invalid              Code = "invalid"               // It can be read, but a value is not acceptable.
	Unauthenticated      Code = "unauthenticated"       // Nobody is signed in, or the proof of it is not good.
	Forbidden            Code = "forbidden"             // The caller is known and may not.
	NotFound             Code = "not_found"             // There is no such thing, or the caller may not know.
	Conflict             Code = "conflict"              // It contradicts what is stored.
	PossibleDuplicate    Code = "possible_duplicate"    // What is to be registered may be there already; the caller can insist.
	PreconditionFailed   Code = "precondition_failed"   // The version named is not the current one.
	PreconditionRequired Code = "precondition_required" // A version must be named.
	TooLarge             Code = "too_large"             // The request is larger than is accepted.
	RateLimited          Code = "rate_limited"          // Too many requests; try again later.
	Unavailable          Code = "unavailable"           // A part that is needed does not answer; try again later.
)

// Error is a refusal in words for the person who reads it: what was wrong, with what, and what to do. It never carries
// protected health information.
type Error struct {
	Code Code
	// Reason is a finer code for programs, such as "token_expired", or empty. Problems have it in place of Code.
	Reason  string
	Message string
	// Fields name each input at fault, as a path into the body ("results[0].value"), a parameter or a header.
	Fields []FieldError
	// Version is the current version, where Code is PreconditionFailed.
	Version int64
	// NextFree are times that can be had instead, the first ones first, where Code is Conflict and a time was taken.
	NextFree []Span
	// Duplicates are the ids of what may be the same, where Code is PossibleDuplicate. The caller may read them.
	Duplicates []uuid.UUID
	cause      error
}

// FieldError is what is wrong with one input, and how to mend it.
type FieldError struct {
	Field   string
	Message string
	// Line is where it stands, counted from 1, for an input that is a text of many lines; else 0.
	Line int
}

// Error gives the message, and the first field at fault.
func (e *Error) Error() string {
	if len(e.Fields) == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s (%s: %s)", e.Message, e.Fields[0].Field, e.Fields[0].Message)
}

// Unwrap gives the cause, for logs.
func (e *Error) Unwrap() error { return e.cause }

// ReplayError says that a command was carried out before under its key: Subject ("lab_report/<id>") and Version are what it
// wrote then; Version is 0 where that has none. It is not a refusal: whoever gave the key gets the first answer again.
type ReplayError struct {
	Subject string
	Version int64
}

// Error says so.
func (e *ReplayError) Error() string { return "this was done before, as " + e.Subject }

// Errorf makes an Error; a %w in the format becomes its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// InvalidField is an Error of code Invalid about one input.
func InvalidField(field, format string, args ...any) *Error {
	return &Error{Code: Invalid, Message: "the request has an invalid value", Fields: []FieldError{{Field: field, Message: fmt.Sprintf(format, args...)}}}
}

// CodeOf tells the code of the first Error in err's chain, or "" for an error that is none: a fault of ours.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}
