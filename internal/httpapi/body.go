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

// checkContentType takes a body without a type for JSON.
func checkContentType(value string, accepted []string) error {
	if value == "" {
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(value)
	charset := params["charset"]
	if err != nil || !slices.Contains(accepted, mediaType) || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return newProblem(http.StatusUnsupportedMediaType, codeUnsupportedMedia, "send the body as Content-Type: "+strings.Join(accepted, " or ")+", in UTF-8")
	}
	return nil
}

// checkBody refuses what is not one JSON value in UTF-8 or is nested too deep (Malformed, with the position), and what two readers
// would understand differently or no field can hold: a name that an object has twice, a NUL character, which PostgreSQL does not
// store, and a number beyond what a float64 holds (Invalid, with the field).
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
		return care.Errorf(care.Malformed, "the body is nested deeper than %d levels at byte %d; send fewer", wrong.Depth, wrong.Offset)
	case strictjson.TooMany:
		return care.InvalidField(FieldName(wrong.Path), "has more than %d fields", strictjson.MaxMembers)
	case strictjson.Duplicate:
		return care.InvalidField(FieldName(wrong.Path), "is given twice in one object; give it once")
	case strictjson.NUL:
		return care.InvalidField(FieldName(wrong.Path), "contains a NUL character (\\u0000), which cannot be stored")
	case strictjson.BigNumber:
		return care.InvalidField(FieldName(wrong.Path), "is a number too large to be stored")
	default:
		return syntaxError(body, wrong.Offset)
	}
}

// syntaxError says where the JSON stops being JSON.
func syntaxError(body []byte, offset int) error {
	read := body[:offset]
	line := bytes.Count(read, []byte("\n")) + 1
	column := len(read) - bytes.LastIndexByte(read, '\n') - 1
	return care.Errorf(care.Malformed, "the body is not valid JSON: it goes wrong at line %d, column %d (byte %d)", line, column, offset)
}

// findInJSON gives the path of the first value, or of the first object with a name, that matches.
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

// FieldName makes a path fit to be shown: without control characters, not longer than 200 characters. The names in it
// can be a client's own.
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

// checkQuery refuses a query that cannot be read, a parameter that no column can hold, and one that is given twice where
// only one is looked at.
func checkQuery(u *url.URL) error {
	if u.RawQuery == "" {
		return nil
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return care.Errorf(care.Malformed, "the query string cannot be read: an escape in it is not complete, or it holds a semicolon")
	}
	for name, all := range values {
		for _, value := range append(all, name) {
			if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
				return care.InvalidField(FieldName(name), "contains a NUL character or is not valid UTF-8")
			}
		}
		if len(all) > 1 && u.Path != SocketPath {
			return care.InvalidField(FieldName(name), "is given %d times; give it once", len(all))
		}
	}
	return nil
}
