package rule

import (
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// preference returns the setting of a match's category on the channel for the person, and the level
// that decided it.
func (r *resolver) preference(person *Person, m *Match, channel string) (care.Setting, care.SettingSource) {
	c, ok := r.configured.Lookup(channel)
	if !ok {
		c.Name = channel
	}
	levels := r.people.Defaults.Levels(person.Settings, clinicOf(r.event.ClinicID), string(m.Category), c)
	levels.Critical = m.Rule.Priority == Critical
	return levels.Decide()
}

// switchedOff returns the reason why the setting of the source suppresses a message, or "".
func switchedOff(setting care.Setting, source care.SettingSource) string {
	switch {
	case setting != care.SettingOff:
		return ""
	case source == care.SourceClinic:
		return ReasonClinicDefaultOff
	case source == care.SourceInstallation:
		return ReasonInstallationDefaultOff
	}
	return ReasonPreferenceOff
}

// QuietHours returns the windows in which the person's messages about an event of the clinic wait,
// and their time zone: the person's own, otherwise those of the clinic, otherwise those of the
// installation and UTC. clinicID is nil for an event of no clinic.
func (p *People) QuietHours(person *Person, clinicID *uuid.UUID) (care.QuietHours, *time.Location) {
	clinic := clinicOf(clinicID)
	return p.Defaults.QuietHours(person.QuietHours, clinic), p.zoneOf(person, clinicID)
}

// quiet returns the end of the person's quiet hours, if they have them now.
func (r *resolver) quiet(person *Person) (time.Time, bool) {
	hours, zone := r.people.QuietHours(person, r.event.ClinicID)
	return hours.Until(r.people.Due, zone)
}

// clinicOf returns the zero id for an event of no clinic.
func clinicOf(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}
