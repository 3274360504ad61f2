package care

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Setting is the choice for the messages of one category on one channel.
type Setting string

// The settings. The empty Setting means that nothing was chosen.
const (
	SettingOn  Setting = "on"
	SettingOff Setting = "off"
	// SettingDigest collects the messages of a day into one.
	SettingDigest Setting = "digest"
)

// Settings lists the settings.
var Settings = []Setting{SettingOn, SettingOff, SettingDigest}

// SettingSource is the level that decided a setting.
type SettingSource string

// The sources, in the order of precedence.
const (
	SourceCritical     SettingSource = "critical"      // No preference suppresses a critical message.
	SourceEssential    SettingSource = "essential"     // The category cannot be switched off.
	SourcePersonClinic SettingSource = "person_clinic" // The person's, for the clinic of the event.
	SourcePerson       SettingSource = "person"        // The person's, for all clinics.
	SourceClinic       SettingSource = "clinic_default"
	SourceInstallation SettingSource = "installation_default"
	SourceBuiltIn      SettingSource = "built_in"
)

// DefaultDigestHour is the hour of the daily digest of a person who chose none.
const DefaultDigestHour = 8

// SettingKey identifies a setting of one level.
type SettingKey struct{ Category, Channel string }

// PersonSettings are a person's settings by clinic; those for all clinics have the zero id.
type PersonSettings map[uuid.UUID]map[SettingKey]Setting

// Set adds a setting. clinicID is zero for all clinics.
func (p PersonSettings) Set(clinicID uuid.UUID, key SettingKey, s Setting) {
	if p[clinicID] == nil {
		p[clinicID] = map[SettingKey]Setting{}
	}
	p[clinicID][key] = s
}

// NotificationDefaults apply to people who chose nothing else.
type NotificationDefaults struct {
	Settings map[SettingKey]Setting
	// Essential are the categories that nobody can switch off.
	Essential []string
	// QuietHours is nil if none were set.
	QuietHours QuietHours
}

// DefaultsByClinic are the defaults of clinics; those of the installation have the zero id.
type DefaultsByClinic map[uuid.UUID]NotificationDefaults

// SettingLevels is everything that decides the setting of one category on one channel for a person.
// A level that has no setting is empty.
type SettingLevels struct {
	// Critical is the priority of the message.
	Critical bool
	// Essential reports that the clinic or the installation made the category essential.
	Essential bool
	// NoDigest reports that the channel takes no digest.
	NoDigest bool

	PersonClinic, Person, Clinic, Installation Setting
}

// Levels returns the levels for a person, a clinic and a category on a channel. clinicID is zero for
// an event of no clinic, and for what applies at all clinics.
func (d DefaultsByClinic) Levels(person PersonSettings, clinicID uuid.UUID, category string, channel Channel) SettingLevels {
	key := SettingKey{category, channel.Name}
	l := SettingLevels{
		Essential: d.Essential(clinicID, category), NoDigest: !channel.TakesDigest(),
		Person: person[uuid.Nil][key], Installation: d[uuid.Nil].Settings[key],
	}
	if clinicID != uuid.Nil {
		l.PersonClinic, l.Clinic = person[clinicID][key], d[clinicID].Settings[key]
	}
	return l
}

// Essential reports whether the clinic or the installation made the category essential.
func (d DefaultsByClinic) Essential(clinicID uuid.UUID, category string) bool {
	return slices.Contains(d[clinicID].Essential, category) || slices.Contains(d[uuid.Nil].Essential, category)
}

// QuietHours returns the windows that apply to a person at the clinic: their own if they set any,
// otherwise those of the clinic, otherwise those of the installation.
func (d DefaultsByClinic) QuietHours(own QuietHours, clinicID uuid.UUID) QuietHours {
	for _, hours := range []QuietHours{own, d[clinicID].QuietHours} {
		if hours != nil {
			return hours
		}
	}
	return d[uuid.Nil].QuietHours
}

// Decide returns the setting and the level that decided it. This is the only order of precedence;
// docs/notifications.md has it as a table, which the tests run, and the SQL function
// preference_setting follows it.
func (l SettingLevels) Decide() (Setting, SettingSource) {
	if l.Critical {
		return SettingOn, SourceCritical
	}
	setting, source := SettingOn, SourceBuiltIn
	for _, level := range []struct {
		setting Setting
		source  SettingSource
	}{
		{l.PersonClinic, SourcePersonClinic}, {l.Person, SourcePerson}, {l.Clinic, SourceClinic}, {l.Installation, SourceInstallation},
	} {
		if level.setting != "" {
			setting, source = level.setting, level.source
			break
		}
	}
	switch {
	case setting == SettingOff && l.Essential:
		return SettingOn, SourceEssential
	case setting == SettingDigest && l.NoDigest:
		return SettingOn, source
	}
	return setting, source
}

// EncodeSettings returns the settings as a JSON object, such as {"billing/email": "digest"}.
func EncodeSettings(settings map[SettingKey]Setting) ([]byte, error) {
	named := make(map[string]Setting, len(settings))
	for key, s := range settings {
		named[key.Category+"/"+key.Channel] = s
	}
	return json.Marshal(named)
}

// DecodeSettings returns the settings of such an object; nil if it is empty.
func DecodeSettings(data []byte) (map[SettingKey]Setting, error) {
	if string(data) == "{}" {
		return nil, nil
	}
	var named map[string]Setting
	if err := json.Unmarshal(data, &named); err != nil {
		return nil, fmt.Errorf("decode settings: %w", err)
	}
	settings := make(map[SettingKey]Setting, len(named))
	for name, s := range named {
		category, channel, _ := strings.Cut(name, "/")
		settings[SettingKey{category, channel}] = s
	}
	return settings, nil
}
