package httpapi

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"carewire/internal/care"
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
		return newProblem(http.StatusUnsupportedMediaType, codeUnsupportedMedia, "Content-Type must be "+strings.Join(accepted, " or ")+", in UTF-8")
	}
	return nil
}

// checkContentEncoding refuses a compressed body (RFC 9110, section 12.5.3).
func checkContentEncoding(h http.Header) error {
	for _, value := range h.Values("Content-Encoding") {
		for coding := range strings.SplitSeq(value, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return newProblem(http.StatusUnsupportedMediaType, codeUnsupportedMedia, "Content-Encoding is not supported; send the body uncompressed").
					with("Accept-Encoding", "identity")
			}
		}
	}
	return nil
}

// checkBody returns care.Malformed, with the position, for a body that is not one JSON value in
// UTF-8 or is nested too deep. It returns care.Invalid, with the field, for JSON that is ambiguous
// or cannot be stored: duplicate names in an object, NUL characters, which PostgreSQL does not
// store, and numbers beyond the range of float64.
func checkBody(body []byte) error {
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
		return care.InvalidField(FieldName(wrong.Path), "has more than %d fields", strictjson.MaxMembers)
	case strictjson.Duplicate:
		return care.InvalidField(FieldName(wrong.Path), "duplicate name in an object")
	case strictjson.NUL:
		return care.InvalidField(FieldName(wrong.Path), "contains a NUL character (\\u0000)")
	case strictjson.BigNumber:
		return care.InvalidField(FieldName(wrong.Path), "is too large a number")
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

// findInJSON returns the path of the first value or name that matches.
func findInJSON(v any, path string, match func(any) bool) (string, bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, item := range v {
			below := strings.TrimPrefix(path+"."+name, ".")
			if match(name) {
				return below, true
			}
			if found, ok := findInJSON(item, below, match); ok {
				return found, true
			}
		}
	case []any:
		for i, item := range v {
			if found, ok := findInJSON(item, path+"["+strconv.Itoa(i)+"]", match); ok {
				return found, true
			}
		}
	default:
		return path, match(v)
	}
	return "", false
}

// FieldName returns a path in a form that can be shown: without control characters, at most 200
// characters long. The names in it can be a client's own.
func FieldName(path string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, path)
	if runes := []rune(clean); len(runes) > 200 {
		clean = string(runes[:200]) + "…"
	}
	if clean == "" {
		return "body"
	}
	return clean
}

// checkQuery refuses an invalid query string, a parameter that cannot be stored, a duplicate
// parameter, and one without a value, which would otherwise count as left out: a filter that a
// client computed as empty must not list everything. The socket ignores duplicates.
func checkQuery(u *url.URL) error {
	if u.RawQuery == "" {
		return nil
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return care.Errorf(care.Malformed, "invalid query string: it has an incomplete escape or a semicolon")
	}
	for name, all := range values {
		for _, value := range append(all, name) {
			if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
				return care.InvalidField(FieldName(name), "contains a NUL character or invalid UTF-8")
			}
		}
		if u.Path == SocketPath {
			continue
		}
		if len(all) > 1 {
			return care.InvalidField(FieldName(name), "has %d values; send one", len(all))
		}
		if all[0] == "" && name != "cursor" && name != "after" { // Without a value, the first page.
			return care.InvalidField(FieldName(name), "has no value; send one, or leave the parameter out")
		}
	}
	return nil
}
