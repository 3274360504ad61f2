package fhir

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// Version identifies a version of a resource. Its zero value is an unknown version.
type Version struct {
	// updated is meta.lastUpdated in nanoseconds since 1970, number is meta.versionId if it is a
	// number.
	updated, number int64
}

// Newer reports whether v is newer than old, and whether that is known: by lastUpdated, else by
// versionId.
func (v Version) Newer(old Version) (newer, known bool) {
	switch {
	case v.updated != 0 && old.updated != 0 && v.updated != old.updated:
		return v.updated > old.updated, true
	case v.number != 0 && old.number != 0 && v.number != old.number:
		return v.number > old.number, true
	}
	return false, false
}

func newVersion(number, updated string) Version {
	var v Version
	number = strings.Trim(strings.TrimPrefix(number, "W/"), `"`)
	v.number, _ = strconv.ParseInt(number, 10, 64)
	if at, err := ParseTime(updated); err == nil && !at.IsPartial() {
		v.updated = at.Start().UnixNano()
	}
	return v
}

// resourceVersion returns the version of an entry of a history or a transaction.
func resourceVersion(e *bundleEntry) Version {
	var r struct {
		Meta struct {
			VersionID   string `json:"versionId"`
			LastUpdated string `json:"lastUpdated"`
		} `json:"meta"`
	}
	// Few resources have a version, and decoding one takes as long as importing it.
	if bytes.Contains(e.Resource, []byte(`"versionId"`)) || bytes.Contains(e.Resource, []byte(`"lastUpdated"`)) {
		_ = json.Unmarshal(e.Resource, &r) // The resource's own stage reports the error.
	}
	v := newVersion(r.Meta.VersionID, r.Meta.LastUpdated)
	if e.Response != nil {
		answered := newVersion(e.Response.ETag, e.Response.LastModified)
		if v.updated == 0 {
			v.updated = answered.updated
		}
		if v.number == 0 {
			v.number = answered.number
		}
	}
	return v
}

// deletion returns the deleted resource of an entry.
func deletion(r Resource, e *bundleEntry) (Resource, error) {
	const path = "Bundle.entry.request.url"
	r.Raw, r.Deleted = nil, true
	r.Version = resourceVersion(e)
	address, _, _ := strings.Cut(strings.TrimSuffix(e.Request.URL, "/"), "/_history/")
	typ, id, ok := cutAddress(address)
	if !ok {
		return r, NewError(path, "must be the type and the id of a resource, such as Condition/1")
	}
	r.Type, r.ID = typ, id
	if IsAddress(address) {
		r.FullURL = address
	}
	return r, nil
}
