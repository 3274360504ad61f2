package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"carewire/internal/care"
	"carewire/internal/httpapi/problem"
	"carewire/internal/jsonform"
)

// configureHuma sets huma's package variables: errors become problems, names of fields are matched
// exactly ("patientid" is unknown too), and lists are not null.
var configureHuma = sync.OnceFunc(func() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return problemOfHuma(nil, status, msg, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := problemOfHuma(ctx, status, msg, errs)
		p.RequestID = infoOf(ctx.Context()).id
		return p
	}
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
})

// maxProblems is the largest number of invalid inputs in a problem.
const maxProblems = 100

// problemOfHuma returns the problem of an error of huma: values that do not match the schema. ctx is
// nil if there is no request.
func problemOfHuma(ctx huma.Context, status int, msg string, errs []error) *problem.Problem {
	if status >= 500 {
		return problem.New(status, problem.CodeInternal, problem.InternalDetail)
	}
	refusal := care.Errorf(care.Invalid, "the request has an invalid value")
	if status == 400 {
		refusal = care.Errorf(care.Malformed, "%s", msg)
	}
	for _, err := range errs[:min(len(errs), maxProblems)] {
		if detail, ok := errors.AsType[*huma.ErrorDetail](err); ok {
			f := FieldProblemOf(detail.Location, detail.Message)
			if ctx != nil && strings.HasPrefix(detail.Location, "query.") {
				f.Message += queryHint(ctx, strings.TrimPrefix(detail.Location, "query."), detail.Message)
			}
			refusal.Fields = append(refusal.Fields, care.FieldError{Field: f.Field, Message: f.Message})
		}
	}
	return problem.OfRefusal(refusal)
}

// queryHint returns what else to know about an invalid query parameter: which ones there are, or that
// a plus sign arrived as a space.
func queryHint(ctx huma.Context, name, message string) string {
	if strings.HasPrefix(message, "unknown query parameter") {
		var known []string
		for _, p := range ctx.Operation().Parameters {
			if p.In == "query" {
				known = append(known, p.Name)
			}
		}
		if len(known) == 0 {
			return "; there are no query parameters here"
		}
		return "; want one of " + strings.Join(known, ", ")
	}
	u := ctx.URL()
	if strings.Contains(u.Query().Get(name), " ") {
		return "; the value has a space: in a query string, write + as %2B"
	}
	return ""
}

// TimeForm is the error of a value that is not a time.
const TimeForm = "must be an RFC 3339 date and time, such as 2026-03-14T09:30:00Z"

// FieldProblemOf returns the problem of huma's message at a location such as
// "body.results[0].value" or "path.id". Some of huma's messages repeat a part of the value (a
// malformed id, an address): only texts from the schema are kept.
func FieldProblemOf(location, message string) problem.FieldProblem {
	place, path, _ := strings.Cut(location, ".")
	if place != "body" && place != "path" && place != "query" && place != "header" && place != "cookie" {
		path = location
	}
	if rest, ok := strings.CutPrefix(message, "expected required property "); ok {
		name, _, _ := strings.Cut(rest, " ")
		return problem.FieldProblem{Field: problem.FieldName(strings.TrimPrefix(path+"."+name, ".")), Message: "is required"}
	}
	if rest, ok := strings.CutPrefix(message, decodePrefix); ok {
		field, detail, _ := strings.Cut(rest, decodeSplit)
		return problem.FieldProblem{Field: problem.FieldName(field), Message: detail}
	}
	return problem.FieldProblem{Field: problem.FieldName(path), Message: safeMessage(message)}
}

func safeMessage(message string) string {
	for prefix, text := range map[string]string{
		"unexpected property":                   "is unknown; remove it or correct its spelling",
		"unknown query parameter":               "is unknown; remove it or correct its spelling",
		"expected string to be RFC 4122 uuid":   "must be a UUID",
		"invalid value":                         "must be a UUID", // Only ids have this error.
		"invalid integer":                       "must be a whole number",
		"invalid boolean":                       "must be true or false",
		"expected string to be RFC 5322 email":  "must be an email address",
		"expected string to be RFC 3986 uri":    "must be a URI",
		"expected string to be RFC 3339 date-t": TimeForm,
		"invalid date/time":                     TimeForm,
		"invalid float":                         "must be a number",
		"required ":                             "is required",
	} {
		if strings.HasPrefix(message, prefix) {
			return text
		}
	}
	if rest, ok := strings.CutPrefix(message, "expected value to match exactly one schema"); ok || rest == "" {
		return "matches none of the allowed schemas"
	}
	for _, safe := range []struct{ prefix, text string }{
		{"expected value to be ", "must be "}, // A value of the enum.
		{"expected string to ", "must "},      // A pattern.
		{"expected ", "must be: "},
		{"write only", "must be: "},
	} {
		if rest, ok := strings.CutPrefix(message, safe.prefix); ok {
			return safe.text + rest
		}
	}
	return "is not valid"
}

// The messages of decodeJSON have a mark, the field and the error, as huma passes only text on.
const (
	decodePrefix = "\x00decode\x00"
	decodeSplit  = "\x00"
)

// jsonFormat is huma's JSON format. body.Check has checked a body before.
var jsonFormat = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: decodeJSON}

// longNumber returns the path of a number that is too long for ehr.Decimal.
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

// decodeJSON is json.Unmarshal with errors that have the field and never a value.
func decodeJSON(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	invalid, found := jsonform.InvalidTime(data, reflect.TypeOf(v))
	if err == nil && !found {
		return nil
	}
	where, detail := "", "invalid JSON value for its field"
	if wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where = wrongType.Field
		if path, ok := jsonform.PathAt(data, wrongType.Offset); ok {
			where = path // With the indexes of lists.
		}
		if strings.HasPrefix(wrongType.Value, "number") {
			detail = "is too large, or not a whole number"
		}
	} else if found {
		where, detail = invalid, TimeForm
	}
	if path, ok := longNumber(data); where == "" && ok {
		where, detail = path, "is a number with too many digits: at most 40 characters, and 3 of an exponent"
	}
	return errors.New(decodePrefix + where + decodeSplit + detail)
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
