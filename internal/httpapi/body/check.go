package body

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"carewire/internal/care"
	"carewire/internal/httpapi/problem"
	"carewire/internal/strictjson"
)

// checkContentType refuses other media types. A body without a type counts as JSON.
func checkContentType(value string, accepted []string) error {
	if value == "" {
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(value)
	charset := params["charset"]
	if err != nil || !slices.Contains(accepted, mediaType) || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return problem.New(http.StatusUnsupportedMediaType, problem.CodeUnsupportedMedia, "Content-Type must be "+strings.Join(accepted, " or ")+", in UTF-8")
	}
	return nil
}

// checkContentEncoding refuses a compressed body (RFC 9110, section 12.5.3).
func checkContentEncoding(h http.Header) error {
	for _, value := range h.Values("Content-Encoding") {
		for coding := range strings.SplitSeq(value, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return problem.New(http.StatusUnsupportedMediaType, problem.CodeUnsupportedMedia, "Content-Encoding is not supported; send the body uncompressed").
					With("Accept-Encoding", "identity")
			}
		}
	}
	return nil
}

// Check returns care.Malformed, with the position, for a body that is not one JSON value in
// UTF-8 or is nested too deep. It returns care.Invalid, with the field, for JSON that is ambiguous
// or cannot be stored: duplicate names in an object, NUL characters, which PostgreSQL does not
// store, and numbers beyond the range of float64.
func Check(body []byte) error {
	if len(body) == 0 {
		return care.Errorf(care.Malformed, "the body is empty; send a JSON object")
	}
	err := strictjson.Check(body)
	wrong, ok := errors.AsType[*strictjson.Error](err)
	if !ok {
		return err
	}
	switch wrong.Reason {
	case strictjson.NotUTF8:
		return care.Errorf(care.Malformed, "the body is not valid UTF-8")
	case strictjson.TooDeep:
		return care.Errorf(care.Malformed, "the body has more than %d levels at byte %d", wrong.Depth, wrong.Offset)
	case strictjson.TooMany:
		return care.InvalidField(problem.FieldName(wrong.Path), "has more than %d fields", strictjson.MaxMembers)
	case strictjson.Duplicate:
		return care.InvalidField(problem.FieldName(wrong.Path), "duplicate name in an object")
	case strictjson.NUL:
		return care.InvalidField(problem.FieldName(wrong.Path), "contains a NUL character (\\u0000)")
	case strictjson.BigNumber:
		return care.InvalidField(problem.FieldName(wrong.Path), "is too large a number")
	default:
		return syntaxError(body, wrong.Offset)
	}
}

// syntaxError returns the error with the position of the first invalid byte.
func syntaxError(body []byte, offset int) error {
	read := body[:offset]
	line := bytes.Count(read, []byte("\n")) + 1
	column := len(read) - bytes.LastIndexByte(read, '\n') - 1
	return care.Errorf(care.Malformed, "invalid JSON at line %d, column %d (byte %d)", line, column, offset)
}
