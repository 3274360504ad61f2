package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"carewire/internal/care"
)

// configureHuma sets what huma keeps in package variables: its errors become problems, field names are matched exactly
// (also "patientid" is unknown), and a list is not null.
var configureHuma = sync.OnceFunc(func() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return problemOfHuma(status, msg, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := problemOfHuma(status, msg, errs)
		p.RequestID = infoOf(ctx.Context()).id
		return p
	}
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
})

// maxProblems is how many inputs at fault are named at most.
const maxProblems = 100

// problemOfHuma makes the problem of what huma refuses itself: values that do not fit the schema.
func problemOfHuma(status int, msg string, errs []error) *Problem {
	if status >= 500 {
		return newProblem(status, codeInternal, "something went wrong on our side; if it stays so, give the request id to the operator")
	}
	refusal := care.Errorf(care.Invalid, "the request has an invalid value")
	if status == 400 {
		refusal = care.Errorf(care.Malformed, "%s", msg)
	}
	for _, err := range errs[:min(len(errs), maxProblems)] {
		if detail, ok := errors.AsType[*huma.ErrorDetail](err); ok {
			f := FieldProblemOf(detail.Location, detail.Message)
			refusal.Fields = append(refusal.Fields, care.FieldError{Field: f.Field, Message: f.Message})
		}
	}
	return problemOfRefusal(refusal)
}

// FieldProblemOf says in our words what huma found at a location such as "body.results[0].value" or "path.id". huma's own
// words can repeat a part of the value (a malformed id, an address): only those that come from the schema are kept.
func FieldProblemOf(location, message string) FieldProblem {
	place, path, _ := strings.Cut(location, ".")
	if place != "body" && place != "path" && place != "query" && place != "header" && place != "cookie" {
		path = location
	}
	if rest, ok := strings.CutPrefix(message, "expected required property "); ok {
		name, _, _ := strings.Cut(rest, " ")
		return FieldProblem{Field: FieldName(strings.TrimPrefix(path+"."+name, ".")), Message: "is required"}
	}
	if rest, ok := strings.CutPrefix(message, decodePrefix); ok {
		field, what, _ := strings.Cut(rest, decodeSplit)
		return FieldProblem{Field: FieldName(field), Message: what}
	}
	return FieldProblem{Field: FieldName(path), Message: inOurWords(message)}
}

func inOurWords(message string) string {
	for prefix, words := range map[string]string{
		"unexpected property":                   "is not known here; remove it or mend its spelling",
		"unknown query parameter":               "is not known here; remove it or mend its spelling",
		"expected string to be RFC 4122 uuid":   "must be a UUID",
		"invalid value":                         "must be a UUID", // The only parameters that are not plain are ids.
		"invalid integer":                       "must be a whole number",
		"invalid boolean":                       "must be true or false",
		"expected string to be RFC 5322 email":  "must be an email address",
		"expected string to be RFC 3986 uri":    "must be a URI",
		"expected string to be RFC 3339 date-t": "must be a date and time as RFC 3339 has it, such as 2026-03-14T09:30:00Z",
		"required ":                             "is required",
	} {
		if strings.HasPrefix(message, prefix) {
			return words
		}
	}
	if rest, ok := strings.CutPrefix(message, "expected value to match exactly one schema"); ok || rest == "" {
		return "has none of the forms that are allowed here"
	}
	for _, safe := range []struct{ prefix, words string }{
		{"expected value to be ", "must be "}, // One of those that the schema lists.
		{"expected string to ", "must "},      // Match a pattern.
		{"expected ", "must be: "},
		{"write only", "must be: "},
	} {
		if rest, ok := strings.CutPrefix(message, safe.prefix); ok {
			return safe.words + rest
		}
	}
	return "is not valid"
}

// The messages of decodeJSON are marked, and hold the field and what is wrong with it: huma hands on nothing but text.
const (
	decodePrefix = "\x00decode\x00"
	decodeSplit  = "\x00"
)

// jsonFormat is how huma reads and writes JSON. A body was checked by checkBody before.
var jsonFormat = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: decodeJSON}

// longNumber finds a number that ehr.Decimal does not take.
func longNumber(data []byte) (string, bool) {
	var parsed any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if dec.Decode(&parsed) != nil {
		return "", false
	}
	return findInJSON(parsed, "", func(v any) bool {
		n, ok := v.(json.Number)
		_, exponent, _ := strings.Cut(strings.ToLower(n.String()), "e")
		return ok && (len(n) > 40 || len(strings.TrimLeft(exponent, "+-")) > 3)
	})
}

// decodeJSON is json.Unmarshal with errors that name the field and never repeat a value.
func decodeJSON(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	where, what := "", "a value has not the form that its field requires"
	if wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where = wrongType.Field
	}
	if path, ok := longNumber(data); where == "" && ok {
		where, what = path, "is a number with more digits than are kept: at most 40 characters, and 3 for an exponent"
	}
	return errors.New(decodePrefix + where + decodeSplit + what)
}
