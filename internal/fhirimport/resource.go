package fhirimport

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"carewire/internal/strictjson"
)

// contained are the resources inside a resource.
type contained []rawResource

type rawResource []byte

// UnmarshalJSON keeps the resource as it is.
func (r *rawResource) UnmarshalJSON(data []byte) error {
	*r = append((*r)[:0], data...)
	return nil
}

func (c contained) get(ref *reference) []byte {
	id, ok := strings.CutPrefix(ref.Reference, "#")
	if !ok {
		return nil
	}
	for _, raw := range c {
		var head struct {
			ID string `json:"id"`
		}
		if decode("contained", raw, &head) == nil && strings.TrimPrefix(head.ID, "#") == id {
			return raw
		}
	}
	return nil
}

// resource is one that was read, where it stood, and what others call it.
type resource struct {
	file string
	// index counts from 0 in a bundle, and lines from 1 in NDJSON.
	index   int
	typ, id string
	fullURL string
	raw     []byte
}

// typeForm is how the names of FHIR's resource types look.
func typeForm(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
}

// identify reads what a resource is and how it is called. One without an id has that of its fullUrl.
func identify(r resource) (resource, error) {
	var typ, id string
	err := strictjson.Strings(r.raw, maxNesting, map[string]*string{"resourceType": &typ, "id": &id})
	if wrong, ok := errors.AsType[*strictjson.Error](err); ok && wrong.Reason == strictjson.Syntax {
		return r, faulty("", "is not JSON")
	}
	if err != nil {
		return r, faulty("", err.Error())
	}
	if !typeForm(typ) {
		return r, faulty("resourceType", "is missing, or no type of FHIR's")
	}
	r.typ, r.id = typ, id
	if uuid, ok := strings.CutPrefix(r.fullURL, "urn:uuid:"); r.id == "" && ok {
		r.id = uuid
	}
	if !idForm.MatchString(r.id) {
		r.id = ""
		return r, faulty(r.typ+".id", "is missing, or no id of FHIR's")
	}
	return r, nil
}

// idForm is FHIR R4's data type id.
var idForm = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)

// decode reads a resource's JSON. The decoder's own words can quote values, so they are not told.
func decode(typ string, raw []byte, into any) error {
	err := json.Unmarshal(raw, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return faulty(join(typ, wrong.Field), "is not of the type that FHIR R4 gives it")
	}
	if err != nil {
		return faulty(typ, "holds a value that is not of the type that FHIR R4 gives it")
	}
	return nil
}
