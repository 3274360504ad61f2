package fhirimport

import "strings"

// fault is what is wrong with a resource: where, by its path, and what, without values.
type fault struct {
	path, reason string
}

func (f *fault) Error() string { return f.path + ": " + f.reason }

func faulty(path, reason string) error { return &fault{path, reason} }

func join(parts ...string) string {
	return strings.Trim(strings.Join(parts, "."), ".")
}
