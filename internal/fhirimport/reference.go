package fhirimport

import (
	"strings"
)

// key names a resource of the source: its type, and its id or another name that it has.
type key struct {
	typ, id string
}

// keys gives what a reference may mean among the types that may stand there, the likeliest first. One to a resource
// inside the same resource, or to nothing that can be looked for, gives none.
func (r *reference) keys(types ...string) []key {
	if r == nil {
		return nil
	}
	ref, _, _ := strings.Cut(r.Reference, "/_history/")
	if query, ok := conditional(ref); ok {
		return only(types, query)
	}
	switch {
	case strings.HasPrefix(ref, "#"):
		return nil
	case strings.HasPrefix(ref, "urn:"):
		var all []key
		for _, typ := range types {
			all = append(all, key{typ, strings.TrimPrefix(ref, "urn:uuid:")})
		}
		return all
	case ref != "":
		parts := strings.Split(ref, "/")
		if len(parts) < 2 {
			return nil
		}
		return only(types, key{parts[len(parts)-2], parts[len(parts)-1]})
	case r.Identifier != nil && r.Identifier.Value != "":
		var all []key
		for _, typ := range types {
			all = append(all, key{typ, r.Identifier.alias()})
		}
		return all
	}
	return nil
}

// only keeps a key whose type may stand there.
func only(types []string, k key) []key {
	for _, typ := range types {
		if typ == k.typ && k.id != "" && len(k.id) <= 300 {
			return []key{k}
		}
	}
	return nil
}

// conditional reads a reference by identifier: "Practitioner?identifier=system|value".
func conditional(ref string) (key, bool) {
	typ, query, ok := strings.Cut(ref, "?identifier=")
	if !ok {
		return key{}, false
	}
	system, value, ok := strings.Cut(query, "|")
	if !ok {
		system, value = "", query
	}
	return key{typ[strings.LastIndexByte(typ, '/')+1:], identifier{system, value}.alias()}, true
}

// identifierAlias is the other name that an identifier gives to a resource. No id looks like it.
func (i identifier) alias() string { return i.System + "|" + i.Value }
