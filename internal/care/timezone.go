package care

import "time"

// IsTimeZone reports whether the name is an IANA time zone. "" and "Local" load too, but denote the
// server's zone.
func IsTimeZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && name != "" && name != "Local"
}
