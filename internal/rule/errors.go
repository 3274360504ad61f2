package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a rule set.
type Error struct {
	// File is the file's name, if set by Errors.In.
	File string
	// Line counts from 1.
	Line int
	// Rule is the rule's name, or "#3" for the third rule if it has none; empty for an error
	// outside the rules.
	Rule string
	// Field is the path inside the rule, such as "recipients[0].user".
	Field string
	// Message describes the mistake and its correction.
	Message string
}

// Error implements error. The format is FILE:LINE: rule NAME: FIELD: message, which editors parse.
func (e Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		fmt.Fprintf(&b, "%s:%d: ", e.File, e.Line)
	} else {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Rule != "" {
		fmt.Fprintf(&b, "rule %s: ", e.Rule)
	}
	if e.Field != "" {
		fmt.Fprintf(&b, "%s: ", e.Field)
	}
	b.WriteString(e.Message)
	return b.String()
}

// Errors lists every mistake in a rule set, in the order of its lines.
type Errors []Error

// Error implements error. It returns one line for each mistake.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// In returns a copy of the errors with the name of their file.
func (e Errors) In(file string) Errors {
	named := slices.Clone(e)
	for i := range named {
		named[i].File = file
	}
	return named
}

func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int { return cmp.Compare(a.Line, b.Line) })
	return e
}
