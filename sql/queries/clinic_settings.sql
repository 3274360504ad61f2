-- The settings of each clinic.

-- Returns no row if the clinic has the defaults.
-- name: ClinicSettingsGet :one
SELECT *
FROM clinic_settings
WHERE clinic_id = @clinic_id;

-- name: ClinicSettingsLock :one
SELECT *
FROM clinic_settings
WHERE clinic_id = @clinic_id
FOR UPDATE;

-- Of two concurrent first writes one violates clinic_settings_pkey.
-- name: ClinicSettingsInsert :one
INSERT INTO clinic_settings (clinic_id, version, critical_hold_minutes, appointment_max_minutes, updated_at, updated_by)
VALUES (@clinic_id, 1, @critical_hold_minutes, @appointment_max_minutes, now(), @updated_by)
RETURNING *;

-- The row is locked by ClinicSettingsLock.
-- name: ClinicSettingsUpdate :one
UPDATE clinic_settings
SET
    version = version + 1,
    critical_hold_minutes = @critical_hold_minutes,
    appointment_max_minutes = @appointment_max_minutes,
    updated_at = now(),
    updated_by = @updated_by
WHERE clinic_id = @clinic_id
RETURNING *;
