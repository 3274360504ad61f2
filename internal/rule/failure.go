package rule

import (
	"errors"
	"strings"
)

// Failure is a condition that could not be evaluated for an event. It has no values.
type Failure struct {
	Rule      string
	Condition Condition
	Cause     Cause
}

// Condition is a kind of condition of a rule.
type Condition string

// The kinds of conditions.
const (
	When   Condition = "when"
	Unless Condition = "unless"
)

// Cause is the class of the error of a condition. The error itself may repeat a value of the event.
type Cause string

// The causes, which are stored and counted.
const (
	CauseType     Cause = "type_error"        // Values of different types.
	CauseField    Cause = "missing_field"     // A field or key that the event lacks.
	CauseDivision Cause = "division_by_zero"  // A division or remainder by zero.
	CauseZone     Cause = "unknown_time_zone" // A time zone that is not known.
	CauseValue    Cause = "invalid_value"     // A text that cannot be converted, an index or a number out of range.
	CauseCost     Cause = "too_expensive"     // More steps than maxConditionCost.
	CauseOther    Cause = "other"
)

// Causes lists the causes.
var Causes = []Cause{CauseType, CauseField, CauseDivision, CauseZone, CauseValue, CauseCost, CauseOther}

// evalError is the error of an evaluation.
type evalError struct {
	cause Cause
	err   error
}

func (e *evalError) Error() string { return "evaluate condition: " + e.err.Error() }

func (e *evalError) Unwrap() error { return e.err }

// causeOf returns the cause of an error of an evaluation, or "" for nil.
func causeOf(err error) Cause {
	if err == nil {
		return ""
	}
	if failed, ok := errors.AsType[*evalError](err); ok {
		return failed.cause
	}
	return CauseOther
}

// classify returns the cause of an error of CEL, which has texts only.
func classify(err error) Cause {
	text := err.Error()
	for _, class := range []struct {
		part  string
		cause Cause
	}{
		{"no such overload", CauseType},
		{"no such key", CauseField},
		{"no such attribute", CauseField},
		{"division by zero", CauseDivision},
		{"divide by zero", CauseDivision},
		{"modulus by zero", CauseDivision},
		{"unknown time zone", CauseZone},
		{"cost limit exceeded", CauseCost},
		{"conversion error", CauseValue},
		{"overflow", CauseValue},
		{"index out of", CauseValue},
		{"range", CauseValue},
		{"invalid", CauseValue},
		{"parsing", CauseValue},
	} {
		if strings.Contains(text, class.part) {
			return class.cause
		}
	}
	return CauseOther
}
