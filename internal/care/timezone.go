package care

import (
	"sync"
	"time"
)

// zones caches the loaded time zones by name: loading one reads a file. Only valid names are stored,
// of which IANA has about 600.
var zones sync.Map

// LoadZone returns an IANA time zone. "" and "Local" load too in the time package, but denote UTC and
// the server's zone, and are errors here.
func LoadZone(name string) (*time.Location, error) {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location), nil //nolint:forcetypeassert // The map stores nothing else.
	}
	if name == "" || name == "Local" {
		return nil, Errorf(Invalid, "%q is not an IANA time zone", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, Errorf(Invalid, "%q is not an IANA time zone", name)
	}
	zones.Store(name, zone)
	return zone, nil
}

// IsTimeZone reports whether the name is an IANA time zone.
func IsTimeZone(name string) bool {
	_, err := LoadZone(name)
	return err == nil
}
