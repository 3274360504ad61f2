package directory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// categories are the categories of preferences, in the order in which preferences are listed.
var categories = []event.Category{
	event.CategoryClinical, event.CategoryAppointment, event.CategoryBilling, event.CategoryAccount, event.CategoryChat, event.CategorySystem,
}

// GetPreferences returns the actor's preferences.
func (s *Service) GetPreferences(ctx context.Context, actor care.Actor) (p Preferences, err error) {
	err = s.writer.Read(ctx, actor, func(tx pgx.Tx) error {
		q := db.New(tx)
		user, err := q.UserGet(ctx, actor.UserID)
		if err != nil {
			return fmt.Errorf("read user: %w", err)
		}
		stored, err := loadPreferences(ctx, q, user)
		if err != nil {
			return err
		}
		p = stored.list(s.preferable)
		return nil
	})
	if err != nil {
		return Preferences{}, reading("preferences", err)
	}
	return p, nil
}

// GetUserPreferences returns the preferences of a person of a clinic where the actor is an
// administrator: those for all clinics, and those for the actor's clinics. The read is audited. The
// error for a person whom the actor may not see is care.NotFound.
func (s *Service) GetUserPreferences(ctx context.Context, cmd care.Command, id uuid.UUID) (p Preferences, err error) {
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		user, err := q.UserGet(ctx, id)
		if notFound(err) {
			return denyUser(cmd, care.PreferenceRead, id, nil)
		}
		if err != nil {
			return fmt.Errorf("read user: %w", err)
		}
		held, err := heldBy(ctx, q, id)
		if err != nil {
			return err
		}
		own := id == cmd.Actor.UserID && cmd.Actor.MayOwn(care.PreferenceRead)
		seen := visible(cmd.Actor, care.PreferenceRead, held)
		if !own && len(seen) == 0 {
			return denyPreferences(cmd, id, held)
		}
		stored, err := loadPreferences(ctx, q, user)
		if err != nil {
			return err
		}
		if own {
			p = stored.list(s.preferable)
			return nil
		}
		stored.keepClinics(clinicsOf(seen))
		p = stored.list(s.preferable)
		read := event.New(cmd, "record.read", userRef(id), event.RecordRead{
			UserID: id, ClinicID: seen[0].ClinicID, Action: "read", Version: user.Version,
		}).About(cmd, id, seen[0].ClinicID)
		return outbox.Append(ctx, tx, read)
	})
	return p, err
}

// denyPreferences hides the person from those who may not know of them.
func denyPreferences(cmd care.Command, id uuid.UUID, held []care.Membership) error {
	known := visible(cmd.Actor, care.UserRead, held)
	if len(known) == 0 {
		return denyUser(cmd, care.PreferenceRead, id, &id)
	}
	answer := care.Errorf(care.Forbidden, "only administrators of the clinic may read people's preferences")
	return outbox.Deny(cmd, answer, care.PreferenceRead, userRef(id), &id, known[0].ClinicID)
}

// UpdatePreference switches one category on one channel on or off, for all clinics. It looks at the
// preference's Category, Channel and Enabled only.
func (s *Service) UpdatePreference(ctx context.Context, cmd care.Command, p Preference) error {
	setting := care.SettingOff
	if p.Enabled {
		setting = care.SettingOn
	}
	return s.UpdatePreferences(ctx, cmd, PreferencesInput{
		Items: []PreferenceChange{{Category: p.Category, Channel: p.Channel, Setting: string(setting)}}, single: true,
	})
}

// UpdatePreferences stores what the input has of the actor's preferences, in one transaction.
// Waiting notifications of the actor are decided again. The error for an invalid input is
// care.Invalid with every field; nothing is stored then.
func (s *Service) UpdatePreferences(ctx context.Context, cmd care.Command, in PreferencesInput) error {
	if err := requirePerson(cmd); err != nil {
		return err
	}
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		user, err := db.New(tx).UserLock(ctx, cmd.Actor.UserID)
		if err != nil {
			return fmt.Errorf("lock user: %w", err)
		}
		stored, err := loadPreferences(ctx, db.New(tx), user)
		if err != nil {
			return err
		}
		if err := in.validate(stored, s.preferable); err != nil {
			return err
		}
		return s.changePreferences(ctx, tx, cmd, stored, in)
	})
}

// Unsubscribe turns the person's messages of one category on one channel off at all clinics, on
// behalf of the owner of a signed link, who is not signed in. Repeating it changes nothing. The error
// for a person who is not registered, or a preference that does not exist, is care.NotFound; for a
// category that is essential at each of the person's clinics it is care.Conflict.
func (s *Service) Unsubscribe(ctx context.Context, cmd care.Command, userID uuid.UUID, category, channel string) error {
	var errs care.FieldErrors
	checkCategoryAndChannel(&errs, "", category, channel, s.preferable)
	if len(errs) > 0 {
		return care.Errorf(care.NotFound, "no such preference")
	}
	cmd.Actor = care.SystemActor("unsubscribe")
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		user, err := db.New(tx).UserLock(ctx, userID)
		if notFound(err) {
			return care.Errorf(care.NotFound, "no such person")
		}
		if err != nil {
			return fmt.Errorf("lock user: %w", err)
		}
		stored, err := loadPreferences(ctx, db.New(tx), user)
		if err != nil {
			return err
		}
		if stored.essential(nil, category) {
			return care.Errorf(care.Conflict, "the clinic has made %s messages essential: they cannot be switched off", category)
		}
		off := PreferencesInput{Items: []PreferenceChange{{Category: category, Channel: channel, Setting: string(care.SettingOff)}}}
		for _, row := range stored.rows {
			if row.ClinicID != uuid.Nil && row.Category == category && row.Channel == channel && !stored.essential(&row.ClinicID, category) {
				off.Items = append(off.Items, PreferenceChange{Category: category, Channel: channel, ClinicID: &row.ClinicID, Setting: string(care.SettingOff)})
			}
		}
		return s.changePreferences(ctx, tx, cmd, stored, off)
	})
}

// changePreferences writes a valid input, and appends an event for each change. The person's row is
// locked.
func (s *Service) changePreferences(ctx context.Context, tx pgx.Tx, cmd care.Command, stored storedPreferences, in PreferencesInput) error {
	q, id := db.New(tx), stored.user.ID
	changes, err := in.writeSettings(ctx, q, stored)
	if err != nil {
		return err
	}
	more, err := in.writeTimes(ctx, q, stored)
	if err != nil {
		return err
	}
	changes = append(changes, more...)
	if len(changes) > 0 {
		if _, err := q.NotificationsDueAgain(ctx, id); err != nil {
			return fmt.Errorf("decide waiting notifications again: %w", err)
		}
	}
	whole := inputOf(stored.user)
	whole.Locale, whole.TimeZone = care.PtrOr(in.Locale, whole.Locale), care.PtrOr(in.TimeZone, whole.TimeZone)
	if changed := whole.changes(stored.user); len(changed) > 0 {
		if _, err := s.replace(ctx, tx, cmd, stored.user, whole, changed, nil); err != nil {
			return err
		}
	}
	events := make([]event.Event, len(changes))
	for i, change := range changes {
		events[i] = preferenceEvent(cmd, change)
	}
	return outbox.Append(ctx, tx, events...)
}

func preferenceEvent(cmd care.Command, change event.Preference) event.Event {
	return event.New(cmd, "user.preference_changed", userRef(change.UserID), change).About(cmd, change.UserID, nil)
}

// writeSettings writes the items that differ from the stored ones.
func (in PreferencesInput) writeSettings(ctx context.Context, q *db.Queries, stored storedPreferences) ([]event.Preference, error) {
	var changes []event.Preference
	for _, item := range in.Items {
		key := care.SettingKey{Category: item.Category, Channel: item.Channel}
		old, setting := stored.own[care.OrZero(item.ClinicID)][key], item.setting()
		if setting == old {
			continue
		}
		var err error
		if setting == "" {
			err = q.PreferenceDelete(ctx, db.PreferenceDeleteParams{UserID: stored.user.ID, ClinicID: item.ClinicID, Category: item.Category, Channel: item.Channel})
		} else {
			err = q.PreferenceSet(ctx, db.PreferenceSetParams{UserID: stored.user.ID, ClinicID: item.ClinicID, Category: item.Category, Channel: item.Channel, Setting: string(setting)})
		}
		if err != nil {
			return nil, fmt.Errorf("write preference: %w", err)
		}
		changes = append(changes, event.Preference{
			UserID: stored.user.ID, Category: item.Category, Channel: item.Channel, Enabled: setting != care.SettingOff, ClinicID: item.ClinicID,
			From: cmp.Or(string(old), settingDefault), To: cmp.Or(string(setting), settingDefault),
		})
	}
	return changes, nil
}

// writeTimes writes the quiet hours and the hour of the digest, if they differ from the stored ones.
func (in PreferencesInput) writeTimes(ctx context.Context, q *db.Queries, stored storedPreferences) ([]event.Preference, error) {
	var changes []event.Preference
	hours, hour := stored.quietHours, stored.digestHour
	if in.QuietHours != nil && !in.QuietHours.Equal(hours) {
		changes = append(changes, detailChanged(stored.user.ID, "quietHours", hours.String(), in.QuietHours.String()))
		hours = *in.QuietHours
	}
	if in.DigestHour != nil && *in.DigestHour != hour {
		changes = append(changes, detailChanged(stored.user.ID, "digestHour", fmt.Sprint(hour), fmt.Sprint(*in.DigestHour)))
		hour = *in.DigestHour
	}
	if len(changes) == 0 {
		return nil, nil
	}
	windows, err := encodeQuietHours(hours)
	if err != nil {
		return nil, err
	}
	if err := q.PersonTimesSet(ctx, db.PersonTimesSetParams{UserID: stored.user.ID, QuietHours: windows, DigestHour: int16(hour)}); err != nil {
		return nil, fmt.Errorf("write quiet hours: %w", err)
	}
	return changes, nil
}

// detailChanged returns the change of something other than a setting.
func detailChanged(id uuid.UUID, name, from, to string) event.Preference {
	return event.Preference{UserID: id, Enabled: true, Changed: []string{name}, From: from, To: to}
}

// zoneAndLocaleEvents returns the events for the changes of a person's details that decide when and
// how messages are sent. Waiting notifications are decided again in another time zone.
func zoneAndLocaleEvents(ctx context.Context, q *db.Queries, cmd care.Command, old, row db.User, changed []string) ([]event.Event, error) {
	var events []event.Event
	if slices.Contains(changed, "timeZone") {
		if _, err := q.NotificationsDueAgain(ctx, row.ID); err != nil {
			return nil, fmt.Errorf("decide waiting notifications again: %w", err)
		}
		events = append(events, preferenceEvent(cmd, detailChanged(row.ID, "timeZone", old.TimeZone, row.TimeZone)))
	}
	if slices.Contains(changed, "locale") {
		events = append(events, preferenceEvent(cmd, detailChanged(row.ID, "locale", "", "")))
	}
	return events, nil
}
