package care

import (
	"path"
	"sync"
	"time"
)

// zones caches the loaded time zones by name: time.LoadLocation reads a file each time. There are some
// 600 zones, which do not change while a program runs.
var zones sync.Map

// loadZone returns an IANA time zone, or nil. "" and "Local" load too in the time package, but denote
// UTC and the server's zone.
func loadZone(name string) *time.Location {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location) //nolint:forcetypeassert // The map stores nothing else.
	}
	if name == "" || name == "Local" {
		return nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	if path.Clean(name) == name { // Not Europe/./Berlin, which loads too.
		zones.Store(name, zone)
	}
	return zone
}

// IsTimeZone reports whether the name is an IANA time zone.
func IsTimeZone(name string) bool { return loadZone(name) != nil }

// FirstZone returns the first of the names that is an IANA time zone, or UTC if none is.
func FirstZone(names ...string) *time.Location {
	for _, name := range names {
		if zone := loadZone(name); zone != nil {
			return zone
		}
	}
	return time.UTC
}
