package fhir

import "strings"

// Error describes a fault of a resource by its path, without values.
type Error struct {
	Path, Reason string
}

func (f *Error) Error() string { return f.Path + ": " + f.Reason }

// NewError returns an Error.
func NewError(path, reason string) error { return &Error{path, reason} }

// JoinPath joins the parts of a path. Empty parts at its ends are left out.
func JoinPath(parts ...string) string {
	return strings.Trim(strings.Join(parts, "."), ".")
}

// SkippedError is the reason why a part of a file is skipped: it is valid, and not a resource.
type SkippedError struct{ Reason string }

func (s *SkippedError) Error() string { return s.Reason }
