package fhir

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"carewire/internal/strictjson"
)

// Contained are the resources inside a resource.
type Contained []rawResource

type rawResource []byte

// UnmarshalJSON keeps a copy of the JSON.
func (r *rawResource) UnmarshalJSON(data []byte) error {
	*r = append((*r)[:0], data...)
	return nil
}

// Get returns the contained resource that the reference means, or nil.
func (c Contained) Get(ref *Reference) []byte {
	id, ok := strings.CutPrefix(ref.Reference, "#")
	if !ok {
		return nil
	}
	for _, raw := range c {
		var head struct {
			ID string `json:"id"`
		}
		if Decode("contained", raw, &head) == nil && strings.TrimPrefix(head.ID, "#") == id {
			return raw
		}
	}
	return nil
}

// Resource is a resource, its position in the file and its identifiers.
type Resource struct {
	File string
	// Index counts from 0 in a bundle, and lines from 1 in NDJSON.
	Index int
	// Ordinal is the number of resources in the file before this one.
	Ordinal  uint32
	Type, ID string
	// FullURL is the address or the URN that a bundle has for the resource.
	FullURL string
	Raw     []byte
	// Deleted reports whether a bundle deletes the resource. Raw is then nil.
	Deleted bool
	// Version is known in a history.
	Version Version
	// Foreign is the address of the server of the resource if it is not the source's own.
	Foreign string
	// ByURN reports whether the resource is identified by the URN of its bundle: another resource of
	// the bundle has the same id.
	ByURN bool

	newestFirst, nested bool
}

// Key returns the key of the resource: see Key.
func (r *Resource) Key() Key {
	if r.ByURN {
		return Key{r.Type, TrimURN(r.FullURL)}
	}
	if r.Foreign != "" {
		return Key{r.Type, AddressID(r.Foreign + "/" + r.Type + "/" + r.ID)}
	}
	return Key{r.Type, r.ID}
}

// Replaces reports whether the resource replaces an occurrence of the same resource, of the
// version, that was read before. Of two unknown versions, the one that was read last is newer, but
// a history begins with the newest.
func (r *Resource) Replaces(before Version) bool {
	newer, known := r.Version.Newer(before)
	return newer || !known && !r.newestFirst
}

// isTypeName reports whether s has the form of a FHIR resource type.
func isTypeName(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
}

// parseHeader reads a resource's type and id. A resource without an id has the one of its fullUrl.
// If only the id is missing, the error is returned with the type.
func parseHeader(r Resource) (Resource, error) {
	head := [...]strictjson.Member{{Name: "resourceType"}, {Name: "id"}}
	err := strictjson.Strings(r.Raw, maxNesting, head[:])
	if wrong, ok := errors.AsType[*strictjson.Error](err); ok && wrong.Reason == strictjson.Syntax {
		return r, NewError("", "invalid JSON")
	}
	if err != nil {
		return r, NewError("", err.Error())
	}
	typ, id := head[0].Value, head[1].Value
	if !isTypeName(typ) {
		return r, NewError("resourceType", "must be a FHIR resource type")
	}
	r.Type, r.ID = typ, id
	if r.ID == "" {
		r.ID = idOfURL(r.FullURL, typ)
	}
	if !idPattern.MatchString(r.ID) {
		r.ID = ""
		return r, NewError(r.Type+".id", "must be a FHIR id")
	}
	return r, nil
}

// idOfURL returns the id of a resource of the type by its fullUrl, or "".
func idOfURL(fullURL, typ string) string {
	if IsURN(fullURL) {
		return strings.TrimPrefix(strings.TrimPrefix(fullURL, uuidPrefix), oidPrefix)
	}
	if named, id, ok := cutAddress(fullURL); ok && named == typ {
		return id
	}
	return ""
}

// idPattern is FHIR R4's data type id.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)

// Decode decodes a resource's JSON. It does not return the decoder's own error, which may quote
// values.
func Decode(typ string, raw []byte, into any) error {
	err := json.Unmarshal(raw, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return NewError(JoinPath(typ, fieldPath(into, wrong.Field)), "has the wrong type; see FHIR R4")
	}
	if err != nil {
		return NewError(typ, "contains a value of the wrong type; see FHIR R4")
	}
	return nil
}
