package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong with a rule set.
type Error struct {
	// File is the file's name, where Errors.In gave it.
	File string
	// Line counts from 1.
	Line int
	// Rule is the rule's name, or "#3" for the third rule when it has none; empty for an error outside the rules.
	Rule string
	// Field is the path inside the rule, such as "recipients[0].user".
	Field string
	// Message says what is wrong and what to do.
	Message string
}

// Error gives the error on one line, as editors read it: FILE:LINE: rule NAME: FIELD: message.
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

// Errors is everything that is wrong with a rule set, in the order of its lines.
type Errors []Error

// Error gives one line an error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// In gives the same errors with the name of the file they are in.
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
