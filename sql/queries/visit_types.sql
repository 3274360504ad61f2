-- The types of appointments that a clinic offers.

-- name: VisitTypeInsert :one
INSERT INTO visit_types (id, version, clinic_id, name, duration_minutes, active, updated_at, updated_by)
VALUES (@id, 1, @clinic_id, @name, @duration_minutes, true, now(), @updated_by)
RETURNING *;

-- name: VisitTypeGet :one
SELECT *
FROM visit_types
WHERE id = @id
    AND clinic_id = @clinic_id;

-- name: VisitTypeCount :one
SELECT count(*)
FROM visit_types
WHERE clinic_id = @clinic_id;

-- name: VisitTypeList :many
SELECT *
FROM visit_types
WHERE clinic_id = @clinic_id
ORDER BY name, id;

-- name: VisitTypeLock :one
SELECT *
FROM visit_types
WHERE id = @id
    AND clinic_id = @clinic_id
FOR UPDATE;

-- The row is locked by VisitTypeLock.
-- name: VisitTypeUpdate :one
UPDATE visit_types
SET
    version = version + 1,
    name = @name,
    duration_minutes = @duration_minutes,
    active = @active,
    updated_at = now(),
    updated_by = @updated_by
WHERE id = @id
RETURNING *;

-- Returns the maximum duration of an appointment at the clinic, in minutes. 480 is the default of
-- clinic_settings.
-- name: ClinicAppointmentMaximum :one
SELECT coalesce(max(appointment_max_minutes), 480)::integer
FROM clinic_settings
WHERE clinic_id = @clinic_id;
