package httpapi

import (
	"strconv"
	"strings"

	"carewire/internal/care"
)

// ETag returns a version as an entity tag.
func ETag(version int64) string {
	return `"` + strconv.FormatInt(version, 10) + `"`
}

// ParseETag returns the version in an If-Match header: a strong entity tag such as "3". Without a
// header it returns care.PreconditionRequired.
func ParseETag(value string) (int64, error) {
	if value == "" {
		return 0, care.Errorf(care.PreconditionRequired, `If-Match is required: send the ETag of the version to change, such as "3"`)
	}
	digits, ok := strings.CutPrefix(strings.TrimSpace(value), `"`)
	digits, closed := strings.CutSuffix(digits, `"`)
	version, err := strconv.ParseUint(digits, 10, 63)
	if !ok || !closed || err != nil || version == 0 || ETag(int64(version)) != `"`+digits+`"` {
		return 0, care.InvalidField("If-Match", `must be one ETag of this service, such as "3"`)
	}
	return int64(version), nil
}

// ParseOptionalETag is ParseETag for an optional header: without one it returns 0.
func ParseOptionalETag(value string) (int64, error) {
	if value == "" {
		return 0, nil
	}
	return ParseETag(value)
}

// MatchesETag reports whether an If-None-Match header names the version (RFC 9110, section 13.1.2:
// weak comparison).
func MatchesETag(header string, version int64) bool {
	if strings.TrimSpace(header) == "*" {
		return true
	}
	for tag := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(tag), "W/") == ETag(version) {
			return true
		}
	}
	return false
}

// Location returns the path of a new resource below the path of its collection.
func Location(collection, id string) string {
	return strings.TrimSuffix(collection, "/") + "/" + id
}
