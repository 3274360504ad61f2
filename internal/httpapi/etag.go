package httpapi

import (
	"strconv"
	"strings"

	"carewire/internal/care"
)

// ETag is a version as an entity tag.
func ETag(version int64) string {
	return `"` + strconv.FormatInt(version, 10) + `"`
}

// ParseETag reads the version out of an If-Match header: a strong entity tag such as "3".
func ParseETag(value string) (int64, error) {
	if value == "" {
		return 0, care.Errorf(care.PreconditionRequired, `name the version you mean to replace: If-Match with the ETag you were given, such as "3"`)
	}
	digits, ok := strings.CutPrefix(strings.TrimSpace(value), `"`)
	digits, closed := strings.CutSuffix(digits, `"`)
	version, err := strconv.ParseUint(digits, 10, 63)
	if !ok || !closed || err != nil || version == 0 || ETag(int64(version)) != `"`+digits+`"` {
		return 0, care.InvalidField("If-Match", `must be one ETag as this service gives them, such as "3"`)
	}
	return int64(version), nil
}

// ParseOptionalETag is ParseETag for a header that may be left out: 0 is none.
func ParseOptionalETag(value string) (int64, error) {
	if value == "" {
		return 0, nil
	}
	return ParseETag(value)
}

// MatchesETag reports whether an If-None-Match header names the version (RFC 9110, section 13.1.2: weak comparison).
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
