-- Doctors' hours, and the time left in them.

-- name: DoctorHoursLock :one
SELECT *
FROM doctor_hours
WHERE clinic_id = @clinic_id
    AND doctor_id = @doctor_id
FOR UPDATE;

-- Of two concurrent first writes one violates doctor_hours_doctor_key.
-- name: DoctorHoursInsert :one
INSERT INTO doctor_hours (id, version, clinic_id, doctor_id, updated_at, updated_by)
VALUES (@id, 1, @clinic_id, @doctor_id, now(), @updated_by)
RETURNING *;

-- The row is locked by DoctorHoursLock.
-- name: DoctorHoursUpdate :one
UPDATE doctor_hours
SET
    version = version + 1,
    updated_at = now(),
    updated_by = @updated_by
WHERE id = @id
RETURNING *;

-- name: DoctorHoursSpanDelete :exec
DELETE FROM doctor_hours_spans
WHERE clinic_id = @clinic_id
    AND doctor_id = @doctor_id;

-- name: DoctorHoursSpanInsert :exec
INSERT INTO doctor_hours_spans (clinic_id, doctor_id, weekday, opens_at, closes_at)
SELECT
    @clinic_id,
    @doctor_id,
    unnest(@weekdays::smallint[]),
    unnest(@opens_at::time[]),
    unnest(@closes_at::time[]);

-- Returns everything that determines when the doctor can be booked at the clinic, except
-- appointments: the weekly hours in parallel arrays, with version 0 if none are set, and the
-- absences and openings that overlap the time. 480 is the default of clinic_settings.
-- name: DoctorScheduleGet :one
SELECT
    c.time_zone,
    EXISTS (
        SELECT 1
        FROM memberships AS m
        JOIN users AS u ON u.id = m.user_id
        WHERE m.user_id = @doctor_id
            AND m.clinic_id = c.id
            AND m.role = 'doctor'
            AND m.revoked_at IS NULL
            AND u.status = 'active'
    ) AS doctor_ok,
    coalesce(h.version, 0)::bigint AS version,
    coalesce(cs.appointment_max_minutes, 480)::integer AS max_minutes,
    s.weekdays::smallint[] AS weekdays,
    s.opens_at::time[] AS opens_at,
    s.closes_at::time[] AS closes_at,
    b.kinds::text[] AS kinds,
    b.starts_at::timestamptz[] AS starts_at,
    b.ends_at::timestamptz[] AS ends_at
FROM clinics AS c
LEFT JOIN doctor_hours AS h ON h.clinic_id = c.id AND h.doctor_id = @doctor_id
LEFT JOIN clinic_settings AS cs ON cs.clinic_id = c.id
CROSS JOIN LATERAL (
    SELECT
        coalesce(array_agg(x.weekday ORDER BY x.weekday, x.opens_at), '{}') AS weekdays,
        coalesce(array_agg(x.opens_at ORDER BY x.weekday, x.opens_at), '{}') AS opens_at,
        coalesce(array_agg(x.closes_at ORDER BY x.weekday, x.opens_at), '{}') AS closes_at
    FROM doctor_hours_spans AS x
    WHERE x.clinic_id = c.id
        AND x.doctor_id = @doctor_id
) AS s
CROSS JOIN LATERAL (
    SELECT
        coalesce(array_agg(x.kind ORDER BY x.id), '{}') AS kinds,
        coalesce(array_agg(x.starts_at ORDER BY x.id), '{}') AS starts_at,
        coalesce(array_agg(x.ends_at ORDER BY x.id), '{}') AS ends_at
    FROM absences AS x
    WHERE x.clinic_id = c.id
        AND (x.doctor_id IS NULL OR x.doctor_id = @doctor_id)
        AND x.starts_at < @to_time::timestamptz
        AND x.ends_at > @from_time::timestamptz
) AS b
WHERE c.id = @clinic_id;

-- Returns the busy times of the doctor or the patient, also at clinics outside of the actor's
-- scope, without the appointment itself.
-- name: AppointmentBusy :many
SELECT
    b.starts_at::timestamptz AS starts_at,
    b.ends_at::timestamptz AS ends_at
FROM appointments_busy(@doctor_id::uuid, @patient_id::uuid, @from_time::timestamptz, @to_time::timestamptz, @id::uuid) AS b
ORDER BY b.starts_at;

-- name: ClinicTimeZoneList :many
SELECT id, time_zone
FROM clinics
WHERE id = ANY(@ids::uuid[]);
