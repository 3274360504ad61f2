package care

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Code is the class of an Error. Only httpapi maps it to an HTTP status.
type Code string

// The codes, which are part of the API.
const (
	Malformed       Code = "malformed"       // The request cannot be parsed.
	Invalid         Code = "invalid"         // A value in the request is invalid.
	Unauthenticated Code = "unauthenticated" // The credentials are missing or invalid.
	Forbidden       Code = "forbidden"       // The caller is known but not allowed.
	// The resource does not exist, or the caller may not see it.
	NotFound Code = "not_found"
	Conflict Code = "conflict" // The request conflicts with stored data.
	// The person may be registered already; the caller can override.
	PossibleDuplicate    Code = "possible_duplicate"
	PreconditionFailed   Code = "precondition_failed"   // The given version is not the current one.
	PreconditionRequired Code = "precondition_required" // A version is required.
	TooLarge             Code = "too_large"             // The request is too large.
	RateLimited          Code = "rate_limited"          // Too many requests; retry later.
	Unavailable          Code = "unavailable"           // A dependency does not respond; retry later.
)

// Error is an error for the caller: its message names the fault and the remedy. It never contains
// protected health information.
type Error struct {
	Code Code
	// Reason is a finer code for programs, such as "token_expired", or empty. Problems have it in place of Code.
	Reason  string
	Message string
	// Fields are the invalid inputs. Each is a path into the body ("results[0].value"), a parameter
	// or a header.
	Fields []FieldError
	// Version is the current version if Code is PreconditionFailed.
	Version int64
	// NextFree are alternative times in ascending order if Code is Conflict and a time was taken.
	NextFree []Span
	// Duplicates are the ids of possible duplicates if Code is PossibleDuplicate. The caller may
	// read them.
	Duplicates []uuid.UUID
	// RetryAfter is how long to wait before the next request if Code is RateLimited; 0 means a second.
	RetryAfter time.Duration
	cause      error
}

// FieldError is the fault of one input, and how to fix it.
type FieldError struct {
	Field   string
	Message string
	// Line is the line number of the fault, from 1, in a multi-line input; otherwise 0.
	Line int
}

// Error returns the message, and the first invalid field.
func (e *Error) Error() string {
	if len(e.Fields) == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s (%s: %s)", e.Message, e.Fields[0].Field, e.Fields[0].Message)
}

// Unwrap returns the cause, for logs.
func (e *Error) Unwrap() error { return e.cause }

// ReplayError reports that a command with the same key was executed before. Subject
// ("lab_report/<id>") and Version identify the result of that execution; Version is 0 for a subject
// without versions. It is not a failure: the client receives the first response again.
type ReplayError struct {
	Subject string
	Version int64
}

// Error implements error.
func (e *ReplayError) Error() string { return "command already executed as " + e.Subject }

// Errorf returns an Error. The operand of a %w verb becomes its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// InvalidField returns an Error of code Invalid about one input.
func InvalidField(field, format string, args ...any) *Error {
	return &Error{Code: Invalid, Message: "the request has an invalid value", Fields: []FieldError{{Field: field, Message: fmt.Sprintf(format, args...)}}}
}

// CodeOf returns the code of the first Error in err's chain. It returns "" if there is none: the
// error is an internal fault.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}
