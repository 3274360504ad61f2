package fhir

import (
	"reflect"
	"strings"
)

// fieldPath returns the path of a field in JSON. The decoder's path also has the names of embedded
// structs, which are no part of the resource.
func fieldPath(into any, field string) string {
	t := reflect.TypeOf(into)
	var path []string
	for name := range strings.SplitSeq(field, ".") {
		for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map) {
			t = t.Elem()
		}
		f, embedded := findField(t, name)
		if t = f; !embedded {
			path = append(path, name)
		}
	}
	return strings.Join(path, ".")
}

// findField returns the type of the field with the name in JSON, or nil, and reports whether it is
// an embedded struct.
func findField(t reflect.Type, name string) (of reflect.Type, embedded bool) {
	if t == nil || t.Kind() != reflect.Struct {
		return nil, false
	}
	for f := range t.Fields() {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case tag == name:
			return f.Type, false
		case f.Anonymous && tag == "" && f.Name == name:
			return f.Type, true
		}
	}
	return nil, false
}
