package fhir

import (
	"strings"
)

// key names a resource of the source: its type, and its id or another name that it has.
type Key struct {
	Type, ID string
}

// keys gives what a reference may mean among the types that may stand there, the likeliest first. One to a resource
// inside the same resource, or to nothing that can be looked for, gives none.
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

// only keeps a key whose type may stand there.
func keyOfTypes(types []string, k Key) []Key {
	for _, typ := range types {
		if typ == k.Type && k.ID != "" && len(k.ID) <= 300 {
			return []Key{k}
		}
	}
	return nil
}

// conditional reads a reference by identifier: "Practitioner?identifier=system|value".
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

// identifierAlias is the other name that an identifier gives to a resource. No id looks like it.
func (i Identifier) Alias() string { return i.System + "|" + i.Value }
