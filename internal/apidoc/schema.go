package apidoc

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// typePart is a part of a type's description. One with a Ref links to that schema.
type typePart struct{ Text, Ref string }

// fieldView is the data of a property, a parameter or a header.
type fieldView struct {
	Name, In    string
	Type        []typePart
	Required    bool
	Description string
	// Limits are the constraints of a value.
	Limits []string
}

// schemaView is the data of a named schema.
type schemaView struct {
	Name, Description string
	Fields            []fieldView
}

func schemaViews(r huma.Registry) []schemaView {
	var all []schemaView
	for _, name := range slices.Sorted(maps.Keys(r.Map())) {
		s := r.Map()[name]
		view := schemaView{Name: name, Description: s.Description}
		for _, field := range propertyNames(s) {
			p := s.Properties[field]
			view.Fields = append(view.Fields, newField(field, "", p, p.Description, slices.Contains(s.Required, field)))
		}
		all = append(all, view)
	}
	return all
}

// propertyNames returns the names in the order of the type, the required ones first.
func propertyNames(s *huma.Schema) []string {
	names := slices.Clone(s.Required)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func newField(name, in string, s *huma.Schema, description string, required bool) fieldView {
	return fieldView{Name: name, In: in, Type: typeOf(s), Required: required, Description: description, Limits: limits(s)}
}

// typeOf returns a description of the accepted values.
func typeOf(s *huma.Schema) []typePart {
	if s.Ref != "" {
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return []typePart{{Text: name, Ref: name}}
	}
	if len(s.OneOf) > 0 {
		var parts []typePart
		for i, one := range s.OneOf {
			if i > 0 {
				parts = append(parts, typePart{Text: " or "})
			}
			parts = append(parts, typeOf(one)...)
		}
		return parts
	}
	if s.Type == huma.TypeArray && s.Items != nil {
		return append([]typePart{{Text: "list of "}}, typeOf(s.Items)...)
	}
	text := s.Type
	if s.Format != "" && s.Format != "int64" && s.Format != "int32" {
		text = s.Format
	}
	if text == "" {
		text = "anything"
	}
	if s.Nullable {
		text += " or null"
	}
	return []typePart{{Text: text}}
}

func limits(s *huma.Schema) []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	enum := s.Enum
	if s.Items != nil {
		enum = append(slices.Clone(enum), s.Items.Enum...)
	}
	if len(enum) > 0 {
		words := make([]string, len(enum))
		for i, v := range enum {
			words[i] = fmt.Sprint(v)
		}
		add("one of %s", strings.Join(words, ", "))
	}
	if s.Default != nil {
		add("by default %v", s.Default)
	}
	span := func(least, most any, hasLeast, hasMost bool, unit string) {
		switch {
		case hasLeast && hasMost:
			add("%v to %v%s", least, most, unit)
		case hasLeast:
			add("at least %v%s", least, unit)
		case hasMost:
			add("at most %v%s", most, unit)
		}
	}
	span(whole(s.Minimum), whole(s.Maximum), s.Minimum != nil, s.Maximum != nil, "")
	span(number(s.MinLength), number(s.MaxLength), s.MinLength != nil, s.MaxLength != nil, " characters")
	span(number(s.MinItems), number(s.MaxItems), s.MinItems != nil, s.MaxItems != nil, " items")
	if s.Pattern != "" {
		add("matches %s", s.Pattern)
	}
	return all
}

func number(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

func whole(f *float64) string {
	if f == nil {
		return ""
	}
	return fmt.Sprintf("%.0f", *f)
}
