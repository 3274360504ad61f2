package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"carewire/internal/care"
)

// maxBody is the largest body that is read, in bytes.
const maxBody = 1 << 20

// drainBody is how much more of a body that is too large is read and thrown away, in bytes.
const drainBody = 8 << 20

// bodyReadTimeout is how long a client may take to send its body.
const bodyReadTimeout = 15 * time.Second

// readBody reads and checks the JSON body of a request, of one of the media types, before anything else looks at it.
func readBody(w http.ResponseWriter, r *http.Request, accepted ...string) ([]byte, error) {
	if err := checkContentType(r.Header.Get("Content-Type"), accepted); err != nil {
		return nil, err
	}
	// Not every writer has a connection (tests): then there is nothing to limit.
	deadlines := http.NewResponseController(w)
	_ = deadlines.SetReadDeadline(time.Now().Add(bodyReadTimeout))
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		// Many clients look for the answer only when they have sent everything: let them, within reason.
		_, _ = io.CopyN(io.Discard, r.Body, drainBody)
		err = tooLarge()
	}
	// The server's own watch for a client that hangs up reads on the same connection: it must not time out.
	_ = deadlines.SetReadDeadline(time.Time{})
	if err != nil {
		return nil, bodyReadError(err)
	}
	return body, checkBody(body)
}

func bodyReadError(err error) error {
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && timeout.Timeout() {
		return newProblem(http.StatusRequestTimeout, codeRequestTimeout, "the body did not arrive in time")
	}
	if care.CodeOf(err) == care.TooLarge {
		return err
	}
	return care.Errorf(care.Malformed, "the body ended before it was complete")
}

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

// checkBody refuses what is not one JSON value in UTF-8 (Malformed, with the position), and what no field can hold: a
// NUL character, which PostgreSQL does not store, and a number beyond what a float64 holds (Invalid, with the field).
func checkBody(body []byte) error {
	if len(body) == 0 {
		return care.Errorf(care.Malformed, "the body is empty; send a JSON object")
	}
	if !utf8.Valid(body) {
		return care.Errorf(care.Malformed, "the body is not valid UTF-8")
	}
	// A NUL can only stand as an escape: unescaped it is a syntax error. Few bodies are read here and not only looked at.
	if json.Valid(body) && !bytes.Contains(body, []byte(`\u0000`)) && !hasLargeNumber(body) {
		return nil
	}
	var parsed any
	err := json.Unmarshal(body, &parsed)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return beyondFloat(body)
	}
	if err != nil {
		return syntaxError(body, err)
	}
	if path, found := findInJSON(parsed, "", hasNUL); found {
		return care.InvalidField(fieldName(path), "contains a NUL character (\\u0000), which cannot be stored")
	}
	return nil
}

// hasLargeNumber reports whether valid JSON holds a number that may be beyond a float64: one with an exponent, or with
// 300 digits.
func hasLargeNumber(body []byte) bool {
	inString, digits := false, 0
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case '0' <= c && c <= '9':
			if digits++; digits >= 300 {
				return true
			}
			continue
		case digits > 0 && (c == 'e' || c == 'E'):
			return true
		}
		digits = 0
	}
	return false
}

// beyondFloat names the field whose number is too large, which encoding/json's error does not.
func beyondFloat(body []byte) error {
	var parsed any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&parsed); err != nil {
		return syntaxError(body, err)
	}
	path, _ := findInJSON(parsed, "", func(v any) bool {
		n, ok := v.(json.Number)
		if !ok {
			return false
		}
		_, err := n.Float64()
		return err != nil
	})
	return care.InvalidField(fieldName(path), "is a number too large to be stored")
}

// syntaxError says where the JSON stops being JSON. encoding/json's own words can hold a character of the body.
func syntaxError(body []byte, err error) error {
	offset := int64(len(body))
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = min(syntax.Offset, offset)
	}
	read := body[:offset]
	line := bytes.Count(read, []byte("\n")) + 1
	column := len(read) - bytes.LastIndexByte(read, '\n') - 1
	return care.Errorf(care.Malformed, "the body is not valid JSON: it goes wrong at line %d, column %d (byte %d)", line, column, offset)
}

func hasNUL(v any) bool {
	s, ok := v.(string)
	return ok && strings.ContainsRune(s, 0)
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

// fieldName makes a path fit to be shown: without control characters, not longer than 200 characters. The names in it
// can be a client's own.
func fieldName(path string) string {
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
				return care.InvalidField(fieldName(name), "contains a NUL character or is not valid UTF-8")
			}
		}
		if len(all) > 1 && u.Path != socketPath {
			return care.InvalidField(fieldName(name), "is given %d times; give it once", len(all))
		}
	}
	return nil
}

// parseETag reads the version out of an If-Match header: a strong entity tag such as "3".
func parseETag(value string) (int64, error) {
	if value == "" {
		return 0, care.Errorf(care.PreconditionRequired, `name the version you mean to replace: If-Match with the ETag you were given, such as "3"`)
	}
	digits, ok := strings.CutPrefix(strings.TrimSpace(value), `"`)
	digits, closed := strings.CutSuffix(digits, `"`)
	version, err := strconv.ParseUint(digits, 10, 63)
	if !ok || !closed || err != nil || version == 0 || etag(int64(version)) != `"`+digits+`"` {
		return 0, care.InvalidField("If-Match", `must be one ETag as this service gives them, such as "3"`)
	}
	return int64(version), nil
}

// matchesETag reports whether an If-None-Match header names the version (RFC 9110, section 13.1.2: weak comparison).
func matchesETag(header string, version int64) bool {
	if strings.TrimSpace(header) == "*" {
		return true
	}
	for tag := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(tag), "W/") == etag(version) {
			return true
		}
	}
	return false
}
