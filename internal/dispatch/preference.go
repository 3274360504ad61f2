package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// loadDefaults loads the defaults of the clinics and of the installation, the time zones of the
// clinics, and the time by which it is decided what is due. They are not cached: several instances
// share the follower, and none hears of changes.
func loadDefaults(ctx context.Context, queries *db.Queries, clinics []uuid.UUID, found *rule.People) error {
	rows, err := queries.PlanningDefaults(ctx, clinics)
	if err != nil {
		return fmt.Errorf("look up defaults: %w", err)
	}
	found.Defaults, found.Zones = make(care.DefaultsByClinic, len(rows)), make(map[uuid.UUID]string, len(rows))
	for _, row := range rows {
		d := care.NotificationDefaults{Essential: row.Essential}
		if d.Settings, err = care.DecodeSettings(row.Settings); err != nil {
			return err
		}
		if d.QuietHours, err = decodeQuietHours(row.QuietHours); err != nil {
			return err
		}
		found.Due = row.DueNow
		found.Defaults[row.ID] = d
		if row.ID != uuid.Nil {
			found.Zones[row.ID] = row.TimeZone
		}
	}
	return nil
}

// preferences returns a person's own settings and quiet hours.
func preferences(row db.PlanningDirectoryRow) (care.PersonSettings, care.QuietHours, error) {
	quiet, err := decodeQuietHours(row.QuietHours)
	if err != nil || len(row.Settings) == 0 {
		return nil, quiet, err
	}
	settings := care.PersonSettings{}
	for _, text := range row.Settings { // clinic/category/channel/setting
		parts := strings.Split(text, "/")
		if len(parts) != 4 {
			return nil, nil, fmt.Errorf("invalid setting %q of a person", text)
		}
		clinic := uuid.Nil
		if parts[0] != "" {
			if clinic, err = uuid.Parse(parts[0]); err != nil {
				return nil, nil, fmt.Errorf("invalid setting %q of a person", text)
			}
		}
		settings.Set(clinic, care.SettingKey{Category: parts[1], Channel: parts[2]}, care.Setting(parts[3]))
	}
	return settings, quiet, nil
}

// decodeQuietHours returns nil for JSON null.
func decodeQuietHours(data []byte) (hours care.QuietHours, err error) {
	if string(data) == "null" {
		return nil, nil
	}
	if err := json.Unmarshal(data, &hours); err != nil {
		return nil, fmt.Errorf("decode quiet hours: %w", err)
	}
	return hours, nil
}
