package rest

import (
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/httpapi"
)

// versioned is the answer with one version of a resource. Location is set where the request created
// it.
type versioned[T any] struct {
	Status   int
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     T
}

// newVersioned returns the answer with a version of a resource. Version 0, of a resource that was
// never set, has no ETag.
func newVersioned[T any](status int, version int64, body T) *versioned[T] {
	out := &versioned[T]{Status: status, Body: body}
	if version > 0 {
		out.ETag = httpapi.ETag(version)
	}
	return out
}

// at adds the Location of the resource below its collection.
func (v *versioned[T]) at(collection string, id uuid.UUID) *versioned[T] {
	v.Location = httpapi.Location(collection, id.String())
	return v
}

// unlessMatched returns the answer to a read: 304 where If-None-Match names the version.
func unlessMatched[T any](ifNoneMatch string, version int64, body T) *versioned[T] {
	if version > 0 && httpapi.MatchesETag(ifNoneMatch, version) {
		return newVersioned(http.StatusNotModified, version, body)
	}
	return newVersioned(http.StatusOK, version, body)
}

// withVersion runs a change of the version that If-Match names. Without If-Match it returns
// care.PreconditionRequired.
func withVersion[O any](ifMatch string, change func(version int64) (*O, error)) (*O, error) {
	return httpapi.Matching(ifMatch, change)
}

// withOptionalVersion is withVersion for a resource that may not exist yet. Without If-Match, the
// version is 0.
func withOptionalVersion[O any](ifMatch string, change func(version int64) (*O, error)) (*O, error) {
	return httpapi.OptionallyMatching(ifMatch, change)
}

// createdOr200 returns 201 for a request that created something, and 200 for one that found it.
func createdOr200(created bool) int {
	if created {
		return http.StatusCreated
	}
	return http.StatusOK
}
