// Package jsonform reconciles JSON texts with the Go types that they are decoded into. JSON Schema
// takes 1.0 and 1e2 for integers, and RFC 3339 allows a lower-case t and z in a time; encoding/json
// accepts neither. The package also finds the place of a value that encoding/json refuses, with the
// indexes of lists, which its errors lack.
package jsonform

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	timeType        = reflect.TypeFor[time.Time]()
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
)

// Canonical returns the text with each integer written as digits and each time in upper case, where
// the Go type has an integer or a time. Other values are unchanged, also invalid ones. The text
// must be valid JSON.
func Canonical(data []byte, t reflect.Type) []byte {
	if t == nil || !suspicious(data) {
		return data
	}
	var out []byte
	last := 0
	walk(data, t, func(v value) bool {
		if text, ok := v.canonical(); ok {
			out = append(append(out, data[last:v.start]...), text...)
			last = v.end
		}
		return true
	})
	if last == 0 {
		return data
	}
	return append(out, data[last:]...)
}

// InvalidTime returns the path of the first text that is not a time although the Go type has one
// there. encoding/json accepts some, such as hours of one digit.
func InvalidTime(data []byte, t reflect.Type) (path string, found bool) {
	if !suspicious(data) {
		return "", false
	}
	walk(data, t, func(v value) bool {
		text, isText := v.token.(string)
		if isText && v.target == timeType {
			if _, ok := ParseTime(text); !ok {
				path, found = v.path(), true
			}
		}
		return !found
	})
	return path, found
}

// PathAt returns the path of the value that ends at an offset, as in json.UnmarshalTypeError.
func PathAt(data []byte, offset int64) (path string, found bool) {
	walk(data, nil, func(v value) bool {
		if int64(v.end) >= offset {
			path, found = v.path(), true
		}
		return !found
	})
	return path, found
}

// suspicious reports whether the text may have a number that Canonical rewrites, or a text that
// looks like a time in another form. It is a quick scan, because few texts have one.
func suspicious(data []byte) bool {
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			end := stringEnd(data, i+1)
			if text := data[i+1 : end]; likeTime(text) && !isCanonicalTime(string(text)) {
				return true
			}
			i = end
		case c >= '0' && c <= '9' && i+1 < len(data) && integralTail(data[i+1:]):
			return true
		}
	}
	return false
}

// stringEnd returns the index of the quote that ends a string.
func stringEnd(data []byte, i int) int {
	for ; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(data)
}

// likeTime reports whether a text begins like a time, or has an escape and could be one.
func likeTime(text []byte) bool {
	return len(text) > len("2006-01-02") && (text[4] == '-' && text[7] == '-' || text[0] >= '0' && text[0] <= '9' && bytes.IndexByte(text, '\\') > 0)
}

// isCanonicalTime reports whether a text is a time in the form that encoding/json reads and writes.
func isCanonicalTime(text string) bool {
	canonical, leap, ok := upper(text)
	return ok && !leap && canonical == text
}

// integralTail reports whether the rest of a number after a digit has only zeros after the point,
// or an exponent.
func integralTail(rest []byte) bool {
	switch rest[0] {
	case 'e', 'E':
		return true
	case '.':
		after := bytes.TrimLeft(rest[1:], "0123456789")
		digits := rest[1 : len(rest)-len(after)]
		return len(bytes.Trim(digits, "0")) == 0 || (len(after) > 0 && (after[0] == 'e' || after[0] == 'E'))
	}
	return false
}

// value is a scalar of the text.
type value struct {
	token      json.Token
	start, end int
	// target is the Go type at its place, without pointers; nil if it is not known.
	target reflect.Type
	places []place
}

// place is a step of a path: the name of a member, or an index if name is nil.
type place struct {
	name  *string
	index int
}

func (v value) path() string {
	var b strings.Builder
	for _, p := range v.places {
		switch {
		case p.name == nil:
			b.WriteString("[" + strconv.Itoa(p.index) + "]")
		case b.Len() > 0:
			b.WriteString("." + *p.name)
		default:
			b.WriteString(*p.name)
		}
	}
	return b.String()
}

// canonical returns the text that replaces the value, if it is to be replaced.
func (v value) canonical() (string, bool) {
	if v.target == nil {
		return "", false
	}
	switch token := v.token.(type) {
	case json.Number:
		if v.target.Kind() >= reflect.Int && v.target.Kind() <= reflect.Uint64 && strings.ContainsAny(token.String(), ".eE") {
			return integer(token.String())
		}
	case string:
		if v.target != timeType {
			return "", false
		}
		if text, ok := canonicalTime(token); ok && text != token {
			return strconv.Quote(text), true
		}
	}
	return "", false
}

// maxExact bounds the integers that a float64 represents exactly.
const maxExact = 1 << 53

// integer returns the digits of a number in another form, if it is an integer.
func integer(text string) (string, bool) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > maxExact {
		return "", false
	}
	return strconv.FormatInt(int64(f), 10), true
}

// walker reads a text and knows the Go type of each value.
type walker struct {
	data   []byte
	dec    *json.Decoder
	places []place
	visit  func(value) bool
}

// walk calls visit for each scalar, in order, until it returns false.
func walk(data []byte, t reflect.Type, visit func(value) bool) {
	w := walker{data: data, dec: json.NewDecoder(bytes.NewReader(data)), visit: visit}
	w.dec.UseNumber()
	w.value(t)
}

// value reads one value. It returns false at the end or after an error.
func (w *walker) value(t reflect.Type) bool {
	before := int(w.dec.InputOffset())
	token, err := w.dec.Token()
	if err != nil {
		return false
	}
	t = resolved(t)
	switch token {
	case json.Delim('{'):
		return w.object(t)
	case json.Delim('['):
		return w.list(t)
	}
	end := int(w.dec.InputOffset())
	start := before + len(w.data[before:end]) - len(bytes.TrimLeft(w.data[before:end], " \t\r\n:,"))
	return w.visit(value{token, start, end, t, w.places})
}

func (w *walker) object(t reflect.Type) bool {
	for w.dec.More() {
		token, err := w.dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return false
		}
		w.places = append(w.places, place{name: &name})
		if !w.value(member(t, name)) {
			return false
		}
		w.places = w.places[:len(w.places)-1]
	}
	_, err := w.dec.Token()
	return err == nil
}

func (w *walker) list(t reflect.Type) bool {
	var item reflect.Type
	if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
		item = t.Elem()
	}
	for i := 0; w.dec.More(); i++ {
		w.places = append(w.places, place{index: i})
		if !w.value(item) {
			return false
		}
		w.places = w.places[:len(w.places)-1]
	}
	_, err := w.dec.Token()
	return err == nil
}

// resolved returns the type without pointers, or nil for one that decodes itself. Times do so too,
// but their form is known.
func resolved(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t == timeType {
		return t
	}
	if t.Implements(unmarshalerType) || reflect.PointerTo(t).Implements(unmarshalerType) {
		return nil
	}
	return t
}

// member returns the type of an object's member, or nil.
func member(t reflect.Type, name string) reflect.Type {
	if t == nil {
		return nil
	}
	switch t.Kind() { //nolint:exhaustive // Other types have no members.
	case reflect.Map:
		return t.Elem()
	case reflect.Struct:
		fields := reflect.VisibleFields(t)
		if i := slices.IndexFunc(fields, func(f reflect.StructField) bool { return jsonName(f) == name }); i >= 0 {
			return fields[i].Type
		}
	}
	return nil
}

// jsonName returns the name of a field in JSON, or "" if it has none.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch {
	case !f.IsExported() || name == "-":
		return ""
	case name == "" && !f.Anonymous:
		return f.Name
	}
	return name
}
