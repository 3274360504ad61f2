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
	Index    int
	Type, ID string
	FullURL  string
	Raw      []byte
}

// isTypeName reports whether s has the form of a FHIR resource type.
func isTypeName(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
}

// parseHeader reads a resource's type and id. A resource without an id has the UUID of its fullUrl.
func parseHeader(r Resource) (Resource, error) {
	var typ, id string
	err := strictjson.Strings(r.Raw, maxNesting, map[string]*string{"resourceType": &typ, "id": &id})
	if wrong, ok := errors.AsType[*strictjson.Error](err); ok && wrong.Reason == strictjson.Syntax {
		return r, NewError("", "invalid JSON")
	}
	if err != nil {
		return r, NewError("", err.Error())
	}
	if !isTypeName(typ) {
		return r, NewError("resourceType", "must be a FHIR resource type")
	}
	r.Type, r.ID = typ, id
	if uuid, ok := strings.CutPrefix(r.FullURL, "urn:uuid:"); r.ID == "" && ok {
		r.ID = uuid
	}
	if !idPattern.MatchString(r.ID) {
		r.ID = ""
		return r, NewError(r.Type+".id", "must be a FHIR id")
	}
	return r, nil
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
