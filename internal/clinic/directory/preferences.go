package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

const (
	// settingDefault is the word for a setting that the person has not chosen.
	settingDefault = "default"
	// maxPreferenceItems is the maximum number of items of a PreferencesInput.
	maxPreferenceItems = 200
)

// Preference is the setting of one category on one channel for a person.
type Preference struct {
	Category  string             `json:"category" enum:"clinical,appointment,billing,account,chat,system"`
	Channel   string             `json:"channel"` // One of Service.Channels; the OpenAPI document lists them.
	ClinicID  *uuid.UUID         `json:"clinicId,omitempty" format:"uuid" doc:"The clinic for whose events the person chose it; left out for all clinics."`
	Setting   care.Setting       `json:"setting" enum:"on,off,digest" doc:"Whether such messages are sent, or collected in a daily digest."`
	Enabled   bool               `json:"enabled" doc:"Whether the setting is not off."`
	Source    care.SettingSource `json:"source" enum:"essential,person_clinic,person,clinic_default,installation_default,built_in" doc:"What decided the setting."`
	Essential bool               `json:"essential" doc:"Whether the clinic or the installation made the category essential: it cannot be off."`
}

// Preferences are what a person wants to be told, and when.
type Preferences struct {
	Items      []Preference    `json:"items" doc:"The setting of each category on each channel for all clinics, and those that the person chose for one clinic."`
	QuietHours care.QuietHours `json:"quietHours" nullable:"true" doc:"The person's own windows; null if they set none, so that a default applies, and empty if messages never wait."`
	DigestHour int             `json:"digestHour" doc:"The hour of the daily digest, in the person's time zone." example:"8"`
	TimeZone   string          `json:"timeZone" example:"Europe/Berlin"`
	Locale     string          `json:"locale" example:"en-GB"`
}

// PreferenceChange is a change of one setting.
type PreferenceChange struct {
	Category string
	Channel  string
	// ClinicID is nil for all clinics.
	ClinicID *uuid.UUID
	// Setting is on, off or digest; "default" or empty removes the person's own.
	Setting string
}

// setting returns the setting to store, or "" for none.
func (c PreferenceChange) setting() care.Setting {
	if c.Setting == settingDefault {
		return ""
	}
	return care.Setting(c.Setting)
}

// PreferencesInput has the preferences to change. What is nil or empty is kept.
type PreferencesInput struct {
	Items []PreferenceChange
	// QuietHours points to nil to remove the person's own.
	QuietHours *care.QuietHours
	DigestHour *int
	TimeZone   *string
	Locale     *string

	// single reports that the input is one switch: its fields are named without the item.
	single bool
}

// storedPreferences is what decides a person's preferences.
type storedPreferences struct {
	user       db.User
	rows       []db.PreferenceListRow
	own        care.PersonSettings
	quietHours care.QuietHours
	digestHour int
	// clinics are those where the person has a role, known also those where they had one.
	clinics, known []uuid.UUID
	defaults       care.DefaultsByClinic
}

func loadPreferences(ctx context.Context, q *db.Queries, user db.User) (p storedPreferences, err error) {
	p.user, p.own, p.digestHour = user, care.PersonSettings{}, care.DefaultDigestHour
	if p.rows, err = q.PreferenceList(ctx, user.ID); err != nil {
		return p, fmt.Errorf("read preferences: %w", err)
	}
	for _, row := range p.rows {
		p.own.Set(row.ClinicID, care.SettingKey{Category: row.Category, Channel: row.Channel}, care.Setting(row.Setting))
	}
	times, err := q.PersonTimesGet(ctx, user.ID)
	switch {
	case notFound(err):
	case err != nil:
		return p, fmt.Errorf("read quiet hours: %w", err)
	default:
		p.digestHour = int(times.DigestHour)
		if err := json.Unmarshal(times.QuietHours, &p.quietHours); err != nil {
			return p, fmt.Errorf("decode quiet hours: %w", err)
		}
	}
	clinics, err := q.PersonClinics(ctx, user.ID)
	if err != nil {
		return p, fmt.Errorf("read clinics: %w", err)
	}
	for _, c := range clinics {
		p.known = append(p.known, c.ClinicID)
		if c.Now {
			p.clinics = append(p.clinics, c.ClinicID)
		}
	}
	p.defaults, err = loadDefaults(ctx, q, p.known)
	return p, err
}

// keepClinics leaves out what concerns other clinics.
func (p *storedPreferences) keepClinics(clinics []uuid.UUID) {
	elsewhere := func(id uuid.UUID) bool { return !slices.Contains(clinics, id) }
	p.clinics = slices.DeleteFunc(p.clinics, elsewhere)
	p.rows = slices.DeleteFunc(p.rows, func(row db.PreferenceListRow) bool { return row.ClinicID != uuid.Nil && elsewhere(row.ClinicID) })
}

// essential reports whether the category cannot be off: at the clinic, or without one at every
// clinic of the person.
func (p *storedPreferences) essential(clinicID *uuid.UUID, category string) bool {
	if clinicID != nil {
		return p.defaults.Essential(*clinicID, category)
	}
	if len(p.clinics) == 0 {
		return p.defaults.Essential(uuid.Nil, category)
	}
	return !slices.ContainsFunc(p.clinics, func(id uuid.UUID) bool { return !p.defaults.Essential(id, category) })
}

func (p *storedPreferences) list(channels care.Channels) Preferences {
	all := Preferences{QuietHours: p.quietHours, DigestHour: p.digestHour, TimeZone: p.user.TimeZone, Locale: p.user.Locale}
	for _, category := range categories {
		for _, channel := range channels {
			all.Items = append(all.Items, p.preference(nil, string(category), channel))
		}
	}
	for _, row := range p.rows {
		if channel, ok := channels.Lookup(row.Channel); ok && row.ClinicID != uuid.Nil {
			all.Items = append(all.Items, p.preference(&row.ClinicID, row.Category, channel))
		}
	}
	return all
}

// preference returns the setting at a clinic, or for all clinics. The defaults of the person's
// clinics decide the latter if they agree.
func (p *storedPreferences) preference(clinicID *uuid.UUID, category string, channel care.Channel) Preference {
	levels := p.defaults.Levels(p.own, care.OrZero(clinicID), category, channel)
	if clinicID == nil {
		for i, clinic := range p.clinics {
			at := p.defaults.Levels(p.own, clinic, category, channel)
			if i > 0 && at.Clinic != levels.Clinic {
				levels.Clinic = ""
				break
			}
			levels.Clinic = at.Clinic
		}
	}
	levels.Essential = p.essential(clinicID, category)
	setting, source := levels.Decide()
	return Preference{
		Category: category, Channel: channel.Name, ClinicID: clinicID, Setting: setting, Enabled: setting != care.SettingOff,
		Source: source, Essential: levels.Essential,
	}
}

// validate returns an error with every invalid field, or nil.
func (in PreferencesInput) validate(stored storedPreferences, channels care.Channels) error {
	var errs care.FieldErrors
	if len(in.Items) > maxPreferenceItems {
		errs.Add("items", "must have at most %d items, not %d", maxPreferenceItems, len(in.Items))
		return errs.Err()
	}
	type place struct {
		clinic uuid.UUID
		key    care.SettingKey
	}
	seen := map[place]bool{}
	for i, item := range in.Items {
		field := fmt.Sprintf("items[%d]", i)
		at := place{care.OrZero(item.ClinicID), care.SettingKey{Category: item.Category, Channel: item.Channel}}
		if seen[at] {
			errs.Add(field, "is a duplicate of another item")
		}
		seen[at] = true
		if in.single {
			item.validate(&errs, "", "enabled", stored, channels)
		} else {
			item.validate(&errs, field+".", "setting", stored, channels)
		}
	}
	if in.QuietHours != nil {
		errs.QuietHours("quietHours", *in.QuietHours)
	}
	if in.DigestHour != nil && (*in.DigestHour < 0 || *in.DigestHour > 23) {
		errs.Add("digestHour", "must be an hour from 0 to 23")
	}
	if in.TimeZone != nil {
		timeZone(&errs, *in.TimeZone)
	}
	if in.Locale != nil {
		languageTag(&errs, *in.Locale)
	}
	return errs.Err()
}

// validate adds an error for each invalid field of the item. prefix is "items[0].", and name is the
// name of the field of the setting.
func (c PreferenceChange) validate(errs *care.FieldErrors, prefix, name string, stored storedPreferences, channels care.Channels) {
	if c.ClinicID != nil && !slices.Contains(stored.known, *c.ClinicID) {
		errs.Add(prefix+"clinicId", "must be one of your clinics; omit it for all clinics")
	}
	checkCategoryAndChannel(errs, prefix, c.Category, c.Channel, channels)
	setting := c.setting()
	channel, known := channels.Lookup(c.Channel)
	switch {
	case setting == "":
	case !slices.Contains(care.Settings, setting):
		errs.Add(prefix+name, "must be one of on, off, digest, default")
	case setting == care.SettingDigest && known && !channel.TakesDigest():
		errs.Add(prefix+name, "must be on, off or default: %s takes no digest", c.Channel)
	case setting == care.SettingOff && stored.defaults.Essential(uuid.Nil, c.Category):
		errs.Add(prefix+name, "must not be off: this service has made %s messages essential; choose on or digest", c.Category)
	case setting == care.SettingOff && stored.essential(c.ClinicID, c.Category):
		errs.Add(prefix+name, "must not be off: the clinic has made %s messages essential; choose on or digest", c.Category)
	}
}

func checkCategoryAndChannel(errs *care.FieldErrors, prefix, category, channel string, channels care.Channels) {
	if !slices.Contains(categories, event.Category(category)) {
		errs.Add(prefix+"category", "must be one of %s", join(categories))
	}
	if _, ok := channels.Lookup(channel); !ok {
		errs.Add(prefix+"channel", "must be one of %s", join(channels.Names()))
	}
}

// encodeQuietHours returns JSON null for nil.
func encodeQuietHours(hours care.QuietHours) ([]byte, error) {
	data, err := json.Marshal(hours)
	if err != nil {
		return nil, fmt.Errorf("encode quiet hours: %w", err)
	}
	return data, nil
}
