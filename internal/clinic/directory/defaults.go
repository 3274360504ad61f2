package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// DefaultSetting is the default of one category on one channel.
type DefaultSetting struct {
	Category string       `json:"category" enum:"clinical,appointment,billing,account,chat,system"`
	Channel  string       `json:"channel"` // One of Service.Channels; the OpenAPI document lists them.
	Setting  care.Setting `json:"setting" enum:"on,off,digest"`
}

// NotificationDefaultsInput are defaults for people who chose nothing else.
type NotificationDefaultsInput struct {
	Items      []DefaultSetting `json:"items,omitempty" maxItems:"200" doc:"The defaults; a category on a channel that is left out has none."`
	Essential  []string         `json:"essential,omitempty" maxItems:"6" enum:"clinical,appointment,billing,account,chat,system" doc:"The categories that nobody can switch off." example:"appointment"`
	QuietHours care.QuietHours  `json:"quietHours,omitempty" nullable:"true" maxItems:"14" doc:"When messages wait for people who set no quiet hours; null or left out if none are set."`
}

// NotificationDefaults are the current defaults of a clinic or of the installation.
type NotificationDefaults struct {
	ClinicID   *uuid.UUID       `json:"clinicId,omitempty" format:"uuid" doc:"Left out for the installation."`
	Version    int64            `json:"version" doc:"1 for the first defaults; the ETag is this number in quotes. 0 if none were set." example:"1"`
	Items      []DefaultSetting `json:"items"`
	Essential  []string         `json:"essential" doc:"The categories that nobody can switch off." example:"appointment"`
	QuietHours care.QuietHours  `json:"quietHours" nullable:"true" doc:"null if none were set."`
}

// GetClinicNotificationDefaults returns the defaults of one of the actor's clinics, or of any clinic
// for an operator. Other clinics are care.NotFound, which is audited.
func (s *Service) GetClinicNotificationDefaults(ctx context.Context, cmd care.Command, id uuid.UUID) (NotificationDefaults, error) {
	if _, err := s.GetClinic(ctx, cmd, id); err != nil {
		return NotificationDefaults{}, err
	}
	return s.notificationDefaults(ctx, &id)
}

// GetNotificationDefaults returns the defaults of the installation. The error for anybody but an
// operator is care.Forbidden.
func (s *Service) GetNotificationDefaults(ctx context.Context, cmd care.Command) (NotificationDefaults, error) {
	if err := s.requireDefaultsOperator(ctx, cmd); err != nil {
		return NotificationDefaults{}, err
	}
	return s.notificationDefaults(ctx, nil)
}

// UpdateClinicNotificationDefaults replaces the defaults of the clinic, and appends
// clinic.notification_defaults_changed. They apply from the next event on. ifMatch is the current
// version, or 0 if none were set. Errors: care.Forbidden, care.Invalid with the fields;
// care.PreconditionRequired and care.PreconditionFailed with the current version.
func (s *Service) UpdateClinicNotificationDefaults(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, in NotificationDefaultsInput) (NotificationDefaults, error) {
	if !cmd.Actor.MayAt(id, care.ClinicDefaultsWrite, care.SameClinic) {
		answer := care.Errorf(care.Forbidden, "only administrators of the clinic may change its notification defaults")
		return NotificationDefaults{}, s.writer.Audited(ctx, outbox.Deny(cmd, answer, care.ClinicDefaultsWrite, clinicRef(id), nil, &id))
	}
	return s.updateDefaults(ctx, cmd, &id, ifMatch, in)
}

// UpdateNotificationDefaults is UpdateClinicNotificationDefaults for the installation, by an
// operator. The event is installation.notification_defaults_changed.
func (s *Service) UpdateNotificationDefaults(ctx context.Context, cmd care.Command, ifMatch int64, in NotificationDefaultsInput) (NotificationDefaults, error) {
	if err := s.requireDefaultsOperator(ctx, cmd); err != nil {
		return NotificationDefaults{}, err
	}
	return s.updateDefaults(ctx, cmd, nil, ifMatch, in)
}

func (s *Service) requireDefaultsOperator(ctx context.Context, cmd care.Command) error {
	if cmd.Actor.MayOnPlatform(care.InstallationDefaultsManage) {
		return nil
	}
	answer := care.Errorf(care.Forbidden, "only operators may manage the notification defaults of the installation")
	return s.writer.Audited(ctx, outbox.Deny(cmd, answer, care.InstallationDefaultsManage, defaultsRef(nil), nil, nil))
}

// defaultsRef returns the subject of the defaults; the zero id is the installation.
func defaultsRef(clinicID *uuid.UUID) care.Ref {
	return care.Ref{Kind: "notification_defaults", ID: care.OrZero(clinicID)}
}

func (s *Service) updateDefaults(ctx context.Context, cmd care.Command, clinicID *uuid.UUID, ifMatch int64, in NotificationDefaultsInput) (NotificationDefaults, error) {
	if err := in.validate(s.preferable); err != nil {
		return NotificationDefaults{}, err
	}
	var set NotificationDefaults
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		version, err := in.write(ctx, db.New(tx), cmd, clinicID, ifMatch)
		if err != nil {
			return err
		}
		set = in.at(clinicID, version)
		typ := "installation.notification_defaults_changed"
		if clinicID != nil {
			typ = "clinic.notification_defaults_changed"
		}
		e := event.New(cmd, typ, defaultsRef(clinicID), set.payload())
		e.ClinicID = clinicID
		return outbox.Append(ctx, tx, e.AtVersion(version))
	})
	return set, err
}

// write writes the next version of the defaults. Their row remains locked.
func (in NotificationDefaultsInput) write(ctx context.Context, q *db.Queries, cmd care.Command, clinicID *uuid.UUID, ifMatch int64) (int64, error) {
	version, err := q.NotificationDefaultsLock(ctx, clinicID)
	if err != nil && !notFound(err) {
		return 0, fmt.Errorf("lock notification defaults: %w", err)
	}
	if err := care.MatchOptionalVersion("the defaults", ifMatch, version); err != nil {
		return 0, err
	}
	settings := map[care.SettingKey]care.Setting{}
	for _, item := range in.Items {
		settings[care.SettingKey{Category: item.Category, Channel: item.Channel}] = item.Setting
	}
	object, err := care.EncodeSettings(settings)
	if err != nil {
		return 0, err
	}
	windows, err := encodeQuietHours(in.QuietHours)
	if err != nil {
		return 0, err
	}
	essential := append([]string{}, in.Essential...)
	if version == 0 {
		err = q.NotificationDefaultsInsert(ctx, db.NotificationDefaultsInsertParams{
			ClinicID: clinicID, Settings: object, Essential: essential, QuietHours: windows, UpdatedBy: cmd.Actor.ID,
		})
	} else {
		err = q.NotificationDefaultsUpdate(ctx, db.NotificationDefaultsUpdateParams{
			ClinicID: clinicID, Settings: object, Essential: essential, QuietHours: windows, UpdatedBy: cmd.Actor.ID,
		})
	}
	if err != nil {
		return 0, fmt.Errorf("write notification defaults: %w", err)
	}
	return version + 1, nil
}

// validate returns an error with every invalid field, or nil.
func (in NotificationDefaultsInput) validate(channels care.Channels) error {
	var errs care.FieldErrors
	if len(in.Items) > maxPreferenceItems {
		errs.Add("items", "must have at most %d items, not %d", maxPreferenceItems, len(in.Items))
		return errs.Err()
	}
	seen := map[care.SettingKey]bool{}
	for i, item := range in.Items {
		field := fmt.Sprintf("items[%d]", i)
		key := care.SettingKey{Category: item.Category, Channel: item.Channel}
		if seen[key] {
			errs.Add(field, "is a duplicate of another item")
		}
		seen[key] = true
		checkCategoryAndChannel(&errs, field+".", item.Category, item.Channel, channels)
		channel, known := channels.Lookup(item.Channel)
		switch {
		case !slices.Contains(care.Settings, item.Setting):
			errs.Add(field+".setting", "must be one of %s", join(care.Settings))
		case item.Setting == care.SettingDigest && known && !channel.TakesDigest():
			errs.Add(field+".setting", "must be on or off: %s takes no digest", item.Channel)
		case item.Setting == care.SettingOff && slices.Contains(in.Essential, item.Category):
			errs.Add(field+".setting", "must not be off, as essential has %s", item.Category)
		}
	}
	for i, category := range in.Essential {
		field := fmt.Sprintf("essential[%d]", i)
		if !slices.Contains(categories, event.Category(category)) {
			errs.Add(field, "must be one of %s", join(categories))
		}
		if slices.Contains(in.Essential[:i], category) {
			errs.Add(field, "is a duplicate")
		}
	}
	errs.QuietHours("quietHours", in.QuietHours)
	return errs.Err()
}

func (in NotificationDefaultsInput) at(clinicID *uuid.UUID, version int64) NotificationDefaults {
	return NotificationDefaults{
		ClinicID: clinicID, Version: version, Items: append([]DefaultSetting{}, in.Items...), Essential: append([]string{}, in.Essential...), QuietHours: in.QuietHours,
	}
}

func (d NotificationDefaults) payload() event.NotificationDefaults {
	p := event.NotificationDefaults{ClinicID: d.ClinicID, Version: d.Version, Essential: d.Essential, QuietHours: d.QuietHours.String()}
	for _, item := range d.Items {
		p.Settings = append(p.Settings, item.Category+"/"+item.Channel+"="+string(item.Setting))
	}
	return p
}

// notificationDefaults returns the defaults of the clinic, or of the installation for nil, in the
// order of categories and channels.
func (s *Service) notificationDefaults(ctx context.Context, clinicID *uuid.UUID) (NotificationDefaults, error) {
	d := NotificationDefaults{ClinicID: clinicID, Items: []DefaultSetting{}, Essential: []string{}}
	rows, err := s.reads.NotificationDefaultsOf(ctx, []uuid.UUID{care.OrZero(clinicID)})
	if err != nil {
		return d, reading("notification defaults", err)
	}
	i := slices.IndexFunc(rows, func(r db.NotificationDefaultsOfRow) bool { return r.ClinicID == care.OrZero(clinicID) })
	if i < 0 {
		return d, nil
	}
	row := rows[i]
	decoded, err := defaultsFrom(row)
	if err != nil {
		return d, err
	}
	d.Version, d.Essential, d.QuietHours = row.Version, row.Essential, decoded.QuietHours
	for _, category := range categories {
		for _, channel := range s.preferable.Names() {
			if setting := decoded.Settings[care.SettingKey{Category: string(category), Channel: channel}]; setting != "" {
				d.Items = append(d.Items, DefaultSetting{string(category), channel, setting})
			}
		}
	}
	return d, nil
}

// loadDefaults returns the defaults of the clinics and of the installation.
func loadDefaults(ctx context.Context, q *db.Queries, clinics []uuid.UUID) (care.DefaultsByClinic, error) {
	rows, err := q.NotificationDefaultsOf(ctx, clinics)
	if err != nil {
		return nil, fmt.Errorf("read notification defaults: %w", err)
	}
	all := make(care.DefaultsByClinic, len(rows))
	for _, row := range rows {
		if all[row.ClinicID], err = defaultsFrom(row); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func defaultsFrom(row db.NotificationDefaultsOfRow) (d care.NotificationDefaults, err error) {
	d.Essential = row.Essential
	if d.Settings, err = care.DecodeSettings(row.Settings); err != nil {
		return d, err
	}
	if err := json.Unmarshal(row.QuietHours, &d.QuietHours); err != nil {
		return d, fmt.Errorf("decode quiet hours: %w", err)
	}
	return d, nil
}
