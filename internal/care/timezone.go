package care

import (
	"path"
	"sync"
	"time"
)

// IsTimeZone reports whether the name is an IANA time zone. "" and "Local" load too, but denote the
// server's zone.
func IsTimeZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && name != "" && name != "Local"
}

// zones has the zones that FirstZone has loaded, by name. time.LoadLocation reads a file each time;
// there are some 600 zones, which do not change while a program runs.
var zones sync.Map

// FirstZone returns the first of the names that is an IANA time zone, or UTC if none is.
func FirstZone(names ...string) *time.Location {
	for _, name := range names {
		if zone, ok := zones.Load(name); ok {
			return zone.(*time.Location)
		}
		if name == "" || name == "Local" {
			continue
		}
		if zone, err := time.LoadLocation(name); err == nil {
			if path.Clean(name) == name { // Not Europe/./Berlin, which loads too.
				zones.Store(name, zone)
			}
			return zone
		}
	}
	return time.UTC
}
