package fhir

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// Key identifies a resource of the source by its type and an id. The id is one of:
//   - a FHIR id, of a resource of the source's own server;
//   - an address such as "http://example.org/fhir/Patient/1";
//   - a "urn:uuid:" or "urn:oid:" of a bundle;
//   - an alias: see Identifier.Alias.
type Key struct {
	Type, ID string
}

// maxKey is the maximum length of an id of a Key in bytes.
const maxKey = 300

// IsAlias reports whether the id is an identifier. No other id contains a bar.
func (k Key) IsAlias() bool { return strings.Contains(k.ID, "|") }

// The reasons why a reference cannot be looked up.
const (
	isContained   = "refers to a contained resource, which is not imported"
	isTextOnly    = "is only a text; it must have a reference or an identifier to be imported"
	isMalformed   = "must have the form Type/id, an address, urn:uuid:, urn:oid: or Type?identifier=system|value"
	isOtherType   = "has a type that differs from the type in its reference"
	isOtherSearch = "is a search by more than one identifier or _id; only one of these is supported"
)

// Keys returns the resources of the types that a reference may mean, the likeliest first: see Find.
func (r *Reference) Keys(types ...string) []Key {
	keys, _ := r.Find(types...)
	return keys
}

// Find returns the resources of the types that a reference may mean, the likeliest first. fault is
// the reason why the reference cannot be looked up, if it cannot be. A reference to another type
// has no keys and no fault.
func (r *Reference) Find(types ...string) (keys []Key, fault string) {
	if r == nil {
		return nil, ""
	}
	ref, declared := strings.TrimSpace(r.Reference), r.Type[strings.LastIndexByte(r.Type, '/')+1:]
	if ref != "" {
		keys, fault = findLiteral(ref, declared, types)
	}
	switch {
	case fault == isOtherType:
	case r.Identifier != nil && r.Identifier.Value != "":
		found := len(keys) > 0
		keys, fault = append(keys, ofTypes(declared, types, r.Identifier.Alias())...), ""
		if !found && len(keys) == 0 && ref == "#" {
			fault = isContained
		}
	case ref == "" && r.Display != "":
		fault = isTextOnly
	}
	return keys, fault
}

// ofTypes returns a key for each type, or only for the declared one.
func ofTypes(declared string, types []string, id string) []Key {
	var all []Key
	for _, typ := range types {
		if (declared == "" || declared == typ) && len(id) <= maxKey {
			all = append(all, Key{typ, id})
		}
	}
	return all
}

func findLiteral(ref, declared string, types []string) ([]Key, string) {
	switch {
	case ref[0] == '#':
		return nil, isContained
	case IsURN(ref):
		return ofTypes(declared, types, ref), ""
	case strings.Contains(ref, "?"):
		return findConditional(ref, declared, types)
	}
	ref, _, _ = strings.Cut(ref, "#")
	ref, _, _ = strings.Cut(strings.TrimSuffix(ref, "/"), "/_history/")
	typ, id, ok := cutAddress(ref)
	switch {
	case !ok && IsAddress(ref):
		return ofTypes(declared, types, NormalAddress(ref)), ""
	case !ok:
		return nil, isMalformed
	case declared != "" && declared != typ:
		return nil, isOtherType
	case !slices.Contains(types, typ):
		return nil, ""
	case IsAddress(ref):
		return []Key{{typ, NormalAddress(ref)}}, ""
	}
	return []Key{{typ, id}}, ""
}

// cutAddress returns the type and the id at the end of an address or a relative reference.
func cutAddress(ref string) (typ, id string, ok bool) {
	slash := strings.LastIndexByte(ref, '/')
	if slash < 0 {
		return "", "", false
	}
	typ, id = ref[:slash], ref[slash+1:]
	typ = typ[strings.LastIndexByte(typ, '/')+1:]
	return typ, id, isTypeName(typ) && idPattern.MatchString(id)
}

// IsURN reports whether the text is the urn:uuid: or urn:oid: of a resource in a bundle.
func IsURN(text string) bool {
	return strings.HasPrefix(text, uuidPrefix) || strings.HasPrefix(text, oidPrefix)
}

const uuidPrefix, oidPrefix = "urn:uuid:", "urn:oid:"

// TrimURN returns the text without urn:uuid: or urn:oid:. UUIDs are in lower case (RFC 9562 section
// 4).
func TrimURN(text string) string {
	if id, ok := strings.CutPrefix(text, uuidPrefix); ok {
		return strings.ToLower(id)
	}
	return strings.TrimPrefix(text, oidPrefix)
}

// IsAddress reports whether the text is an absolute URL.
func IsAddress(text string) bool { return strings.Contains(text, "://") }

// NormalAddress returns an address with its scheme and host in lower case (RFC 3986 section 6.2.2).
func NormalAddress(address string) string {
	host := strings.Index(address, "://")
	if host < 0 {
		return address
	}
	end := len(address)
	if slash := strings.IndexByte(address[host+len("://"):], '/'); slash >= 0 {
		end = host + len("://") + slash
	}
	return strings.ToLower(address[:end]) + address[end:]
}

// maxAddressID is the maximum length of an address as the id of a Key. The table of imported
// resources has a limit of 200 characters.
const maxAddressID = 200

// AddressID returns the id of a Key for an address: the address, or a hash of a long one.
func AddressID(address string) string {
	if len(address) <= maxAddressID {
		return address
	}
	sum := sha256.Sum256([]byte(address))
	return "sha256://" + hex.EncodeToString(sum[:])
}

// Base returns the address of the server of a resource's address, without a slash at its end. It
// returns "" unless the address ends with a type and an id.
func Base(address string) string {
	address, _, _ = strings.Cut(strings.TrimSuffix(address, "/"), "/_history/")
	typ, id, ok := cutAddress(address)
	if !ok || !IsAddress(address) {
		return ""
	}
	return NormalAddress(strings.TrimSuffix(address, "/"+typ+"/"+id))
}

// ignoredParameters are FHIR R4's search parameters that do not change which resources match.
var ignoredParameters = []string{"_format", "_pretty", "_summary", "_elements", "_count", "_sort", "_total", "_include", "_revinclude", "_contained", "_containedType"}

// findConditional parses a reference by identifier, such as
// "Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|123".
func findConditional(ref, declared string, types []string) ([]Key, string) {
	typ, query, _ := strings.Cut(ref, "?")
	typ = typ[strings.LastIndexByte(typ, '/')+1:]
	query, _, _ = strings.Cut(query, "#")
	// A plus is a plus: exporters write identifiers as they are.
	parameters, err := url.ParseQuery(strings.ReplaceAll(query, "+", "%2B"))
	if !isTypeName(typ) || err != nil {
		return nil, isMalformed
	}
	if declared != "" && declared != typ {
		return nil, isOtherType
	}
	for _, name := range ignoredParameters {
		delete(parameters, name)
	}
	ids, identifiers := parameters["_id"], parameters["identifier"]
	if len(parameters) != 1 || len(ids)+len(identifiers) != 1 {
		return nil, isOtherSearch
	}
	var id string
	if len(ids) == 1 {
		id = ids[0]
		if !idPattern.MatchString(id) {
			return nil, isOtherSearch
		}
	} else if id = parseToken(identifiers[0]); id == "" {
		return nil, isOtherSearch
	}
	if !slices.Contains(types, typ) || len(id) > maxKey {
		return nil, ""
	}
	return []Key{{typ, id}}, ""
}

// parseToken returns the alias of FHIR R4's search parameter type token: system|value, |value for
// an identifier without a system, or value for one in any system. It returns "" for a list of
// values and for a system without a value. A backslash escapes a bar, a comma and itself.
func parseToken(text string) string {
	var parts []string
	var part strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			part.WriteByte(text[i])
		case c == ',':
			return ""
		case c == '|' && len(parts) == 0:
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(c)
		}
	}
	switch value := part.String(); {
	case value == "":
		return ""
	case len(parts) == 0:
		return anySystem + "|" + value
	default:
		return Identifier{System: parts[0], Value: value}.Alias()
	}
}

// anySystem is the system of an alias for an identifier in any system.
const anySystem = "*"

// Alias returns the alias that an identifier gives to a resource. It differs from every id.
func (i Identifier) Alias() string { return i.System + "|" + i.Value }

// Aliases returns the aliases of a resource with the identifier: the one with its system, and the
// one for a reference that has no system. It returns none for an empty or very long identifier.
func (i Identifier) Aliases() []string {
	if i.Value == "" || len(i.System)+len(i.Value) >= maxKey {
		return nil
	}
	return []string{i.Alias(), anySystem + "|" + i.Value}
}
