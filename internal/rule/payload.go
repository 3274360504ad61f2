package rule

import (
	"reflect"
	"strings"

	"github.com/google/uuid"

	"carewire/internal/event"
)

// fieldOf returns the type of a field of the declared data by its JSON name, or nil.
func fieldOf(d *event.Declaration, name string) reflect.Type {
	for f := range reflect.TypeOf(d.Payload).Fields() {
		if jsonName(f) == name {
			return f.Type
		}
	}
	return nil
}

// fieldNames returns the JSON names of the declared data's fields.
func fieldNames(d *event.Declaration) []string {
	var names []string
	for f := range reflect.TypeOf(d.Payload).Fields() {
		names = append(names, jsonName(f))
	}
	return names
}

// idFields returns the fields of the declared data that contain an id.
func idFields(d *event.Declaration) []string {
	var names []string
	for f := range reflect.TypeOf(d.Payload).Fields() {
		if isID(f.Type) {
			names = append(names, "data."+jsonName(f))
		}
	}
	return names
}

func isID(typ reflect.Type) bool {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	return typ == reflect.TypeFor[uuid.UUID]()
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
