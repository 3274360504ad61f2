package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Settings are the settings that a clinic may change. A migration has the same defaults and bounds.
type Settings struct {
	CriticalHoldMinutes   int32 `json:"criticalHoldMinutes" minimum:"0" maximum:"10080" doc:"How long a critical result that no doctor has seen is hidden from the patient, at most; the default is a day. 0 disables the hold, as required by law where a patient has a right to immediate access (21st Century Cures Act, 45 CFR 171)." example:"1440"`
	AppointmentMaxMinutes int32 `json:"appointmentMaxMinutes" minimum:"5" maximum:"1440" doc:"The maximum duration of an appointment that a patient requests; the default is 480." example:"480"`
}

// ClinicSettings are the current settings of a clinic.
type ClinicSettings struct {
	ClinicID uuid.UUID `json:"clinicId" format:"uuid"`
	Version  int64     `json:"version" doc:"1 for the first settings; the ETag is this number in quotes. 0 if none were set and the defaults apply." example:"1"`
	Settings
}

// defaultSettings apply to a clinic that has set none.
var defaultSettings = Settings{CriticalHoldMinutes: 1440, AppointmentMaxMinutes: 480}

// GetClinicSettings returns the settings of one of the actor's clinics, or of any clinic for an
// operator. Other clinics are care.NotFound, which is audited.
func (s *Service) GetClinicSettings(ctx context.Context, cmd care.Command, id uuid.UUID) (ClinicSettings, error) {
	if _, err := s.GetClinic(ctx, cmd, id); err != nil {
		return ClinicSettings{}, err
	}
	row, err := s.reads.ClinicSettingsGet(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return ClinicSettings{ClinicID: id, Settings: defaultSettings}, nil
	}
	if err != nil {
		return ClinicSettings{}, reading("clinic settings", err)
	}
	return settingsFrom(row), nil
}

// UpdateClinicSettings replaces the settings of the clinic, and appends clinic.settings_changed.
// ifMatch is the current version, or 0 if none were set. Results that are already held keep their
// time. Errors: care.Forbidden; care.PreconditionRequired and care.PreconditionFailed with the
// current version.
func (s *Service) UpdateClinicSettings(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, in Settings) (ClinicSettings, error) {
	if !cmd.Actor.MayAt(id, care.ClinicConfigure, care.SameClinic) {
		answer := care.Errorf(care.Forbidden, "only administrators of the clinic may change its settings")
		return ClinicSettings{}, s.writer.Audited(ctx, outbox.Deny(cmd, answer, care.ClinicConfigure, clinicRef(id), nil, &id))
	}
	var set ClinicSettings
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		row, err := settingsVersion(ctx, db.New(tx), cmd, id, ifMatch, in)
		if err != nil {
			return err
		}
		set = settingsFrom(row)
		e := event.New(cmd, "clinic.settings_changed", care.Ref{Kind: "clinic_settings", ID: id}, event.ClinicSettings{ClinicID: id})
		e.ClinicID = &id
		return outbox.Append(ctx, tx, e.AtVersion(row.Version))
	})
	return set, err
}

// settingsVersion writes the next version of the settings. Their row remains locked.
func settingsVersion(ctx context.Context, q *db.Queries, cmd care.Command, id uuid.UUID, ifMatch int64, in Settings) (row db.ClinicSetting, err error) {
	old, err := q.ClinicSettingsLock(ctx, id)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return db.ClinicSetting{}, fmt.Errorf("lock clinic settings: %w", err)
	}
	if err := care.MatchOptionalVersion("the settings", ifMatch, old.Version); err != nil {
		return db.ClinicSetting{}, err
	}
	if old.Version == 0 {
		row, err = q.ClinicSettingsInsert(ctx, db.ClinicSettingsInsertParams{
			ClinicID: id, CriticalHoldMinutes: in.CriticalHoldMinutes, AppointmentMaxMinutes: in.AppointmentMaxMinutes, UpdatedBy: cmd.Actor.ID,
		})
	} else {
		row, err = q.ClinicSettingsUpdate(ctx, db.ClinicSettingsUpdateParams{
			ClinicID: id, CriticalHoldMinutes: in.CriticalHoldMinutes, AppointmentMaxMinutes: in.AppointmentMaxMinutes, UpdatedBy: cmd.Actor.ID,
		})
	}
	if err != nil {
		return db.ClinicSetting{}, fmt.Errorf("write clinic settings: %w", err)
	}
	return row, nil
}

func settingsFrom(row db.ClinicSetting) ClinicSettings {
	return ClinicSettings{ClinicID: row.ClinicID, Version: row.Version, Settings: Settings{
		CriticalHoldMinutes: row.CriticalHoldMinutes, AppointmentMaxMinutes: row.AppointmentMaxMinutes,
	}}
}
