package care

import (
	"fmt"
	"reflect"
	"strings"
)

// CleanLines makes one line (CleanLine) of every text in what v points to whose field is tagged text:"line", and calls changed
// with the field's path ("sections[0].title") for each that lost more than spaces at its ends. A test sees to it that the tag
// is on every field that Problems.Line checks.
func CleanLines(v any, changed func(path string)) {
	cleanLines(reflect.ValueOf(v), "", changed)
}

func cleanLines(v reflect.Value, path string, changed func(path string)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			cleanLines(v.Elem(), path, changed)
		}
	case reflect.Slice:
		for i := range v.Len() {
			cleanLines(v.Index(i), fmt.Sprintf("%s[%d]", path, i), changed)
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if !field.IsExported() {
				continue
			}
			below := fieldPath(path, field)
			if field.Tag.Get("text") == "line" {
				cleanText(value, below, changed)
			} else {
				cleanLines(value, below, changed)
			}
		}
	default:
	}
}

// fieldPath adds the field to a path by its name in JSON; what is embedded, or tagged text:"inline", adds nothing.
func fieldPath(path string, field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if (field.Anonymous && name == "") || field.Tag.Get("text") == "inline" {
		return path
	}
	if name == "" || name == "-" {
		name = field.Name
	}
	return strings.TrimPrefix(path+"."+name, ".")
}

func cleanText(v reflect.Value, path string, changed func(path string)) {
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
		changed(path)
	}
}
