-- What people want to be told, on which channels and when, and the defaults of clinics and of the installation.

-- name: PreferenceList :many
-- Returns a person's own settings, with the zero id for all clinics.
SELECT
    coalesce(clinic_id, '00000000-0000-0000-0000-000000000000')::uuid AS clinic_id,
    category,
    channel,
    setting
FROM preferences
WHERE user_id = @user_id
ORDER BY clinic_id NULLS FIRST, category, channel;

-- name: PreferenceSet :exec
INSERT INTO preferences (user_id, clinic_id, category, channel, setting)
VALUES (@user_id, sqlc.narg(clinic_id), @category, @channel, @setting)
ON CONFLICT ON CONSTRAINT preferences_key DO UPDATE
SET
    setting = excluded.setting,
    updated_at = now();

-- name: PreferenceDelete :exec
DELETE FROM preferences
WHERE user_id = @user_id
    AND (clinic_id = sqlc.narg(clinic_id) OR (clinic_id IS NULL AND sqlc.narg(clinic_id)::uuid IS NULL))
    AND category = @category
    AND channel = @channel;

-- Returns no row for a person who set neither. quiet_hours is JSON null if the person set none.
-- name: PersonTimesGet :one
SELECT
    coalesce(quiet_hours, 'null')::jsonb AS quiet_hours,
    digest_hour
FROM person_times
WHERE user_id = @user_id;

-- name: PersonTimesSet :exec
INSERT INTO person_times (user_id, quiet_hours, digest_hour)
VALUES (@user_id, nullif(@quiet_hours::jsonb, 'null'), @digest_hour)
ON CONFLICT ON CONSTRAINT person_times_pkey DO UPDATE
SET
    quiet_hours = excluded.quiet_hours,
    digest_hour = excluded.digest_hour,
    updated_at = now();

-- Returns the clinics at which the person has a role, or had one.
-- name: PersonClinics :many
SELECT
    m.clinic_id::uuid AS clinic_id,
    bool_or(m.revoked_at IS NULL)::boolean AS now
FROM memberships AS m
WHERE m.user_id = @user_id
    AND m.clinic_id IS NOT NULL
GROUP BY m.clinic_id
ORDER BY m.clinic_id;

-- Makes the waiting notifications of the person due, at most 1,000: what decides about them has
-- changed.
-- name: NotificationsDueAgain :one
SELECT notifications_due_again(@user_id::uuid)::bigint AS count;

-- Returns the defaults of the clinics, and those of the installation with the zero id. quiet_hours
-- is JSON null if none were set.
-- name: NotificationDefaultsOf :many
SELECT
    coalesce(clinic_id, '00000000-0000-0000-0000-000000000000')::uuid AS clinic_id,
    version,
    settings,
    essential,
    coalesce(quiet_hours, 'null')::jsonb AS quiet_hours
FROM notification_defaults
WHERE clinic_id = ANY(@clinic_ids::uuid[])
    OR clinic_id IS NULL;

-- Returns the version of the defaults of a clinic, or of the installation if clinic_id is NULL.
-- name: NotificationDefaultsLock :one
SELECT version
FROM notification_defaults
WHERE clinic_id = sqlc.narg(clinic_id)
    OR (clinic_id IS NULL AND sqlc.narg(clinic_id)::uuid IS NULL)
FOR UPDATE;

-- Of two concurrent first writes one violates notification_defaults_key.
-- name: NotificationDefaultsInsert :exec
INSERT INTO notification_defaults (clinic_id, version, settings, essential, quiet_hours, updated_at, updated_by)
VALUES (sqlc.narg(clinic_id), 1, @settings, @essential, nullif(@quiet_hours::jsonb, 'null'), now(), @updated_by);

-- The row is locked by NotificationDefaultsLock.
-- name: NotificationDefaultsUpdate :exec
UPDATE notification_defaults
SET
    version = version + 1,
    settings = @settings,
    essential = @essential,
    quiet_hours = nullif(@quiet_hours::jsonb, 'null'),
    updated_at = now(),
    updated_by = @updated_by
WHERE clinic_id = sqlc.narg(clinic_id)
    OR (clinic_id IS NULL AND sqlc.narg(clinic_id)::uuid IS NULL);
