package fhir

import (
	"strings"
)

// Key identifies a resource of the source by its type and its id or alias.
type Key struct {
	Type, ID string
}

// Keys returns the resources of the types that a reference may mean, the likeliest first. It
// returns none for a reference to a contained resource, or one that cannot be looked up.
func (r *Reference) Keys(types ...string) []Key {
	if r == nil {
		return nil
	}
	ref, _, _ := strings.Cut(r.Reference, "/_history/")
	if query, ok := parseConditional(ref); ok {
		return keyOfTypes(types, query)
	}
	switch {
	case strings.HasPrefix(ref, "#"):
		return nil
	case strings.HasPrefix(ref, "urn:"):
		var all []Key
		for _, typ := range types {
			all = append(all, Key{typ, strings.TrimPrefix(ref, "urn:uuid:")})
		}
		return all
	case ref != "":
		parts := strings.Split(ref, "/")
		if len(parts) < 2 {
			return nil
		}
		return keyOfTypes(types, Key{parts[len(parts)-2], parts[len(parts)-1]})
	case r.Identifier != nil && r.Identifier.Value != "":
		var all []Key
		for _, typ := range types {
			all = append(all, Key{typ, r.Identifier.Alias()})
		}
		return all
	}
	return nil
}

// keyOfTypes returns the key if it has one of the types, else nothing.
func keyOfTypes(types []string, k Key) []Key {
	for _, typ := range types {
		if typ == k.Type && k.ID != "" && len(k.ID) <= 300 {
			return []Key{k}
		}
	}
	return nil
}

// parseConditional parses a reference by identifier: "Practitioner?identifier=system|value".
func parseConditional(ref string) (Key, bool) {
	typ, query, ok := strings.Cut(ref, "?identifier=")
	if !ok {
		return Key{}, false
	}
	system, value, ok := strings.Cut(query, "|")
	if !ok {
		system, value = "", query
	}
	return Key{typ[strings.LastIndexByte(typ, '/')+1:], Identifier{system, value}.Alias()}, true
}

// Alias returns the alias that an identifier gives to a resource. It differs from every id.
func (i Identifier) Alias() string { return i.System + "|" + i.Value }
