package httpapi

import (
	"errors"
	"math"
	"net/http"
	"strings"

	"carewire/internal/care"
	"carewire/internal/httpapi/etag"
)

// preconditions are the headers with lists of entity tags.
var preconditions = []string{"If-Match", "If-None-Match"}

// maxMatches bounds the versions that Matching tries: a list of tags, or a version that others
// replace meanwhile.
const maxMatches = 5

// noVersion is a version that no resource has.
const noVersion = math.MaxInt64

// ETag returns a version as an entity tag.
func ETag(version int64) string { return etag.Of(version) }

// Matching makes a change under the precondition in an If-Match header (RFC 9110, section 13.1.1):
// change is called with a version that the header names, and returns care.PreconditionFailed with
// the current version if that is another one. For a list of tags and for *, change is called again
// with the current version if the header names it. Weak tags and tags of other services match no
// version. Without a header it returns care.PreconditionRequired.
func Matching[O any](ifMatch string, change func(version int64) (*O, error)) (*O, error) {
	if ifMatch == "" {
		return nil, care.Errorf(care.PreconditionRequired, `If-Match is required: send the ETag of the version to change, such as "3"`)
	}
	return OptionallyMatching(ifMatch, change)
}

// OptionallyMatching is Matching for an optional header: without one, change is called with version
// 0.
func OptionallyMatching[O any](ifMatch string, change func(version int64) (*O, error)) (*O, error) {
	if ifMatch == "" {
		return change(0)
	}
	tags, err := etag.Parse(ifMatch)
	if err != nil {
		return nil, malformedTags("If-Match", err)
	}
	version := int64(noVersion)
	if len(tags.Strong) > 0 {
		version = tags.Strong[0]
	}
	for range maxMatches {
		out, err := change(version)
		failed, ok := errors.AsType[*care.Error](err)
		switch {
		case !ok || failed.Code != care.PreconditionFailed:
			return out, err
		case failed.Version != version && failed.Version > 0 && tags.Matches(failed.Version):
			version = failed.Version
		case version == noVersion:
			unmatched := *failed
			unmatched.Message = "If-Match names no current version: send the ETag of the version that you have read; a weak tag never matches"
			return nil, &unmatched
		default:
			return nil, err
		}
	}
	return change(version)
}

// MatchesETag reports whether an If-None-Match header names the version (RFC 9110, section 13.1.2:
// weak comparison). The server has checked the form of the header.
func MatchesETag(header string, version int64) bool {
	tags, err := etag.Parse(header)
	return err == nil && tags.MatchesWeakly(version)
}

// checkPreconditions refuses a header that is not a list of entity tags.
func checkPreconditions(h http.Header) error {
	for _, name := range preconditions {
		value := strings.Join(h.Values(name), ",")
		if value == "" {
			continue
		}
		if _, err := etag.Parse(value); err != nil {
			return malformedTags(name, err)
		}
	}
	return nil
}

func malformedTags(name string, err error) error {
	malformed := care.Errorf(care.Malformed, "invalid %s: %w", name, err)
	malformed.Fields = []care.FieldError{{Field: name, Message: err.Error()}}
	return malformed
}

// Location returns the path of a new resource below the path of its collection.
func Location(collection, id string) string {
	return strings.TrimSuffix(collection, "/") + "/" + id
}
