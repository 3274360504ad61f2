-- Appointments and the slots they hold.

-- Whoever takes a slot locks the two people first, always in the order of their ids: the look at what is taken then holds
-- until the commit, and no two transactions can wait for each other. A foreign key's own lock does not wait for this one.
-- name: AppointmentPeopleLock :many
SELECT id
FROM users
WHERE id = ANY(@ids::uuid[])
ORDER BY id
FOR NO KEY UPDATE;

-- name: AppointmentPeopleCheck :one
SELECT
    EXISTS (
        SELECT 1
        FROM memberships AS m
        JOIN users AS u ON u.id = m.user_id
        WHERE m.user_id = @patient_id
            AND m.clinic_id = @clinic_id::uuid
            AND m.role = 'patient'
            AND m.revoked_at IS NULL
            AND u.status = 'active'
            AND u.deceased_on IS NULL
    ) AS patient_ok,
    EXISTS (
        SELECT 1
        FROM memberships AS m
        JOIN users AS u ON u.id = m.user_id
        WHERE m.user_id = @doctor_id
            AND m.clinic_id = @clinic_id::uuid
            AND m.role = 'doctor'
            AND m.revoked_at IS NULL
            AND u.status = 'active'
    ) AS doctor_ok;

-- What holds a slot of the doctor's or the patient's in that time, also at clinics that the actor does not see: of those
-- there come the times alone.
-- name: AppointmentTaken :many
SELECT
    t.starts_at::timestamptz AS starts_at,
    t.ends_at::timestamptz AS ends_at,
    a.clinic_id,
    a.patient_id,
    a.doctor_id
FROM appointments_taken(@doctor_id::uuid, @patient_id::uuid, @starts_at::timestamptz, @ends_at::timestamptz, @id::uuid) AS t
LEFT JOIN appointments AS a ON a.id = t.id
ORDER BY starts_at, a.id;

-- name: AppointmentInsert :one
INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, historic,
    created_at, created_by, updated_at, updated_by)
VALUES (@id, 1, @clinic_id, @patient_id, @doctor_id, @status, @starts_at, @ends_at, @historic,
    now(), @created_by, now(), @created_by)
RETURNING *;

-- name: AppointmentGet :one
SELECT *
FROM appointments
WHERE id = @id;

-- name: AppointmentLock :one
SELECT *
FROM appointments
WHERE id = @id
FOR UPDATE;

-- The row is locked by AppointmentLock.
-- name: AppointmentUpdate :one
UPDATE appointments
SET
    version = version + 1,
    status = @status,
    starts_at = @starts_at,
    ends_at = @ends_at,
    updated_at = now(),
    updated_by = @updated_by
WHERE id = @id
RETURNING *;

-- Lists show what the actor may see and nothing else: their own, and those of the clinics where they hold a role that
-- reads them. Several queries rather than one with optional filters, so that each has the index that it needs. A page
-- begins behind (after_time, after_id); what a list shows starts in [from_time, to_time).
-- name: AppointmentListOfPatient :many
SELECT *
FROM appointments AS a
WHERE a.patient_id = @patient_id
    AND (@any_doctor::boolean OR a.doctor_id = @doctor_id)
    AND (@any_clinic::boolean OR a.clinic_id = @clinic_id)
    AND a.starts_at >= @from_time
    AND a.starts_at < @to_time::timestamptz
    AND (a.starts_at, a.id) > (@after_time::timestamptz, @after_id::uuid)
    AND ((@own::boolean AND a.patient_id = @actor_id) OR a.clinic_id = ANY(@clinics::uuid[]))
ORDER BY a.starts_at, a.id
LIMIT @row_limit;

-- name: AppointmentListOfDoctor :many
SELECT *
FROM appointments AS a
WHERE a.doctor_id = @doctor_id
    AND (@any_clinic::boolean OR a.clinic_id = @clinic_id)
    AND a.starts_at >= @from_time
    AND a.starts_at < @to_time::timestamptz
    AND (a.starts_at, a.id) > (@after_time::timestamptz, @after_id::uuid)
    AND ((@own::boolean AND a.patient_id = @actor_id) OR a.clinic_id = ANY(@clinics::uuid[]))
ORDER BY a.starts_at, a.id
LIMIT @row_limit;

-- name: AppointmentListOfClinic :many
SELECT *
FROM appointments AS a
WHERE a.clinic_id = @clinic_id
    AND a.starts_at >= @from_time
    AND a.starts_at < @to_time::timestamptz
    AND (a.starts_at, a.id) > (@after_time::timestamptz, @after_id::uuid)
    AND ((@own::boolean AND a.patient_id = @actor_id) OR a.clinic_id = ANY(@clinics::uuid[]))
ORDER BY a.starts_at, a.id
LIMIT @row_limit;

-- One's own and each clinic's are walked in their own index's order, each no further than the page.
-- name: AppointmentListVisible :many
WITH seen AS (
    (
        SELECT *
        FROM appointments AS a
        WHERE @own::boolean
            AND a.patient_id = @actor_id
            AND a.starts_at >= @from_time
            AND a.starts_at < @to_time::timestamptz
            AND (a.starts_at, a.id) > (@after_time::timestamptz, @after_id::uuid)
        ORDER BY a.starts_at, a.id
        LIMIT @row_limit
    )
    UNION
    SELECT theirs.*
    FROM unnest(@clinics::uuid[]) AS c (id)
    CROSS JOIN LATERAL (
        SELECT *
        FROM appointments AS a
        WHERE a.clinic_id = c.id
            AND a.starts_at >= @from_time
            AND a.starts_at < @to_time::timestamptz
            AND (a.starts_at, a.id) > (@after_time::timestamptz, @after_id::uuid)
        ORDER BY a.starts_at, a.id
        LIMIT @row_limit
    ) AS theirs
)
SELECT *
FROM seen
ORDER BY starts_at, id
LIMIT @row_limit;

-- Whether a list of the patient's appointments that shows nothing was one that the actor may ask for.
-- name: AppointmentListable :one
SELECT EXISTS (
    SELECT 1
    FROM memberships AS m
    WHERE m.user_id = @patient_id
        AND m.role = 'patient'
        AND m.revoked_at IS NULL
        AND m.clinic_id = ANY(@clinics::uuid[])
        AND (@any_clinic::boolean OR m.clinic_id = @clinic_id::uuid)
);
