package care

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// CleanLines makes one line (CleanLine) of every text in what v points to whose field is tagged text:"line", and calls changed
// with the field's path ("sections[0].title") for each that lost more than spaces at its ends. A test sees to it that the tag
// is on every field that Problems.Line checks.
func CleanLines(v any, changed func(path string)) {
	value := reflect.ValueOf(v)
	if value.Kind() != reflect.Pointer || value.IsNil() || !holdsLines(value.Type()) {
		return
	}
	cleanLines(value.Elem(), nil, changed)
}

// place is where in a body a value is. Paths are rare, so that they are made from it only where one is asked for.
type place struct {
	in *place
	// name is the field's; empty for an element of a list, which has an index.
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

// lineField is a field of a struct that is a line of text, or holds some.
type lineField struct {
	index int
	// name is the field's in JSON; empty where it adds nothing to a path.
	name string
	line bool
}

// lineFields caches linesOf: looking at every field of every value took 7 % of an import.
var lineFields sync.Map

// linesOf lists the fields of the struct type that CleanLines must look at.
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

// holdsLines reports whether there may be lines of text in values of the type. No body's type holds itself.
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

// fieldName returns the field's name in JSON; what is embedded, or tagged text:"inline", adds nothing to a path.
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
