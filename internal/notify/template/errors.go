package template

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a template set.
type Error struct {
	// File is the file's name, if set by Errors.In.
	File string
	// Line counts from 1.
	Line int
	// Template is the template's name; empty for an error outside the templates.
	Template string
	// Field is the path inside the template, such as "texts.de.email.subject".
	Field string
	// Message describes the mistake and its correction.
	Message string
}

// Error implements error. The format is FILE:LINE: template NAME: FIELD: message, which editors
// parse.
func (e Error) Error() string {
	where := fmt.Sprintf("line %d: ", e.Line)
	if e.File != "" {
		where = fmt.Sprintf("%s:%d: ", e.File, e.Line)
	}
	if e.Template != "" {
		where += "template " + e.Template + ": "
	}
	if e.Field != "" {
		where += e.Field + ": "
	}
	return where + e.Message
}

// maxErrors bounds the mistakes that are reported of one set.
const maxErrors = 100

// Errors lists the mistakes in a template set, in the order of its lines: every one, up to 100.
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
	if len(e) > maxErrors {
		last := Error{Line: e[maxErrors].Line, Message: fmt.Sprintf("%d more mistakes", len(e)-maxErrors)}
		return append(e[:maxErrors:maxErrors], last)
	}
	return e
}
