package care

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// CleanLines applies CleanLine to every text that v points to in a field tagged text:"line". It
// calls changed with the path of each field ("sections[0].title") that lost more than leading and
// trailing spaces. A test checks that every field that FieldErrors.Line checks has the tag.
func CleanLines(v any, changed func(path string)) {
	value := reflect.ValueOf(v)
	if value.Kind() != reflect.Pointer || value.IsNil() || !holdsLines(value.Type()) {
		return
	}
	cleanLines(value.Elem(), nil, changed)
}

// place is the position of a value in a body. Paths are rare, so they are built only on demand.
type place struct {
	in *place
	// name is the name of the field; it is empty for an element of a list, which has an index.
	name  string
	index int
}

func (p *place) path() string {
	switch {
	case p == nil:
		return ""
	case p.name == "":
		return p.in.path() + "[" + strconv.Itoa(p.index) + "]"
	default:
		return strings.TrimPrefix(p.in.path()+"."+p.name, ".")
	}
}

func cleanLines(v reflect.Value, at *place, changed func(path string)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			cleanLines(v.Elem(), at, changed)
		}
	case reflect.Slice:
		for i := range v.Len() {
			cleanLines(v.Index(i), &place{at, "", i}, changed)
		}
	case reflect.Struct:
		for _, f := range linesOf(v.Type()) {
			below := at
			if f.name != "" {
				below = &place{at, f.name, 0}
			}
			if value := v.Field(f.index); f.line {
				cleanText(value, below, changed)
			} else {
				cleanLines(value, below, changed)
			}
		}
	default:
	}
}

// lineField is a field of a struct that is a line of text, or contains some.
type lineField struct {
	index int
	// name is the JSON name of the field; it is empty if the field adds nothing to a path.
	name string
	line bool
}

// lineFields caches linesOf: examining every field of every value took 7 % of an import.
var lineFields sync.Map

// linesOf returns the fields of the struct type that CleanLines must examine.
func linesOf(t reflect.Type) []lineField {
	if known, ok := lineFields.Load(t); ok {
		return known.([]lineField)
	}
	fields := []lineField{}
	for i := range t.NumField() {
		f := t.Field(i)
		line := f.Tag.Get("text") == "line"
		if f.IsExported() && (line || holdsLines(f.Type)) {
			fields = append(fields, lineField{i, fieldName(f), line})
		}
	}
	lineFields.Store(t, fields)
	return fields
}

// holdsLines reports whether values of the type may contain lines of text. The type of a body is
// never recursive.
func holdsLines(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return holdsLines(t.Elem())
	case reflect.Struct:
		return len(linesOf(t)) > 0
	default:
		return false
	}
}

// fieldName returns the JSON name of the field. An embedded field, or one tagged text:"inline",
// adds nothing to a path.
func fieldName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if (field.Anonymous && name == "") || field.Tag.Get("text") == "inline" {
		return ""
	}
	if name == "" || name == "-" {
		name = field.Name
	}
	return name
}

func cleanText(v reflect.Value, at *place, changed func(path string)) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	text := v.String()
	clean := CleanLine(text)
	if clean == text {
		return
	}
	v.SetString(clean)
	if clean != strings.TrimFunc(text, isSpace) {
		changed(at.path())
	}
}
