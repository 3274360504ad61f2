-- Appointments and the slots they hold.

-- A writer that takes a slot locks the two people first, always in the order of their ids: the
-- query of taken slots then remains valid until the commit, and no two transactions can deadlock.
-- The lock of a foreign key does not wait for this one.
-- name: AppointmentPeopleLock :many
SELECT id
FROM users
WHERE id = ANY(@ids::uuid[])
ORDER BY id
FOR NO KEY UPDATE;

-- Returns for each of the two why they cannot have appointments at the clinic: 'left' without the
-- role, 'deceased', 'disabled', or empty.
-- name: AppointmentPeopleCheck :one
SELECT
    membership_state(@patient_id::uuid, @clinic_id::uuid, 'patient')::text AS patient_state,
    membership_state(@doctor_id::uuid, @clinic_id, 'doctor')::text AS doctor_state;

-- Returns the appointments of the doctor or the patient that overlap the time, also at clinics
-- outside of the actor's scope: of those only the times.
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
INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, visit_type_id, historic,
    created_at, created_by, updated_at, updated_by)
VALUES (@id, 1, @clinic_id, @patient_id, @doctor_id, @status, @starts_at, @ends_at, sqlc.narg(visit_type_id), @historic,
    now(), @created_by, now(), @created_by)
RETURNING *;

-- name: AppointmentGet :one
SELECT *
FROM appointments
WHERE id = @id;

-- name: AppointmentLock :one
SELECT
    sqlc.embed(a),
    c.time_zone
FROM appointments AS a
JOIN clinics AS c ON c.id = a.clinic_id
WHERE a.id = @id
FOR UPDATE OF a;

-- The row is locked by AppointmentLock.
-- name: AppointmentUpdate :one
UPDATE appointments
SET
    version = version + 1,
    previous_status = CASE WHEN status = @status THEN previous_status ELSE status END,
    status = @status,
    doctor_id = @doctor_id,
    starts_at = @starts_at,
    ends_at = @ends_at,
    updated_at = now(),
    updated_by = @updated_by
WHERE id = @id
RETURNING *;

-- Lists return only what the actor may see: their own, and those of the clinics where they hold a
-- role that reads them. There are several queries rather than one with optional filters, so that
-- each reads along an index, at most 1,000 rows of it, as the lists of deliveries do: the row at which
-- it stopped is returned as last_read, also if it does not match. A page begins after (after_time,
-- after_id); its appointments start before to_time. A bound from below is in after_time too: of two,
-- PostgreSQL may begin at the lower one. needs_attention is a scalar subquery, so that it is never
-- computed for the whole table. They run with PlanForAnyValues.
-- name: AppointmentListOfPatient :many
SELECT
    sqlc.embed(a),
    page.matches,
    page.last_read
FROM (
    SELECT
        examined.id,
        examined.starts_at,
        examined.matches,
        (examined.number = 1000)::boolean AS last_read
    FROM (
        SELECT
            a.id,
            a.starts_at,
            (
                (@any_doctor::boolean OR a.doctor_id = @doctor_id)
                AND (@any_clinic::boolean OR a.clinic_id = @clinic_id)
                AND (cardinality(@statuses::text[]) = 0 OR a.status = ANY(@statuses))
                AND (@any_visit_type::boolean OR a.visit_type_id = @visit_type_id::uuid)
                AND ((@own::boolean AND a.patient_id = @actor_id) OR a.clinic_id = ANY(@clinics::uuid[]))
                AND (NOT @needs_attention::boolean OR coalesce((SELECT true FROM appointment_attention AS n WHERE n.id = a.id), false))
            )::boolean AS matches,
            row_number() OVER (ORDER BY a.starts_at, a.id) AS number
        FROM appointments AS a
        WHERE a.patient_id = @patient_id
            AND a.starts_at < @to_time::timestamptz
            AND (a.starts_at, a.id) > (@after_time::timestamptz, @after_id::uuid)
        ORDER BY a.starts_at, a.id
        LIMIT 1000
    ) AS examined
    WHERE examined.matches
        OR examined.number = 1000
    ORDER BY examined.starts_at, examined.id
    LIMIT @row_limit
) AS page
JOIN appointments AS a ON a.id = page.id
ORDER BY page.starts_at, page.id;

-- name: AppointmentListOfDoctor :many
SELECT
    sqlc.embed(a),
    page.matches,
    page.last_read
FROM (
    SELECT
        examined.id,
        examined.starts_at,
        examined.matches,
        (examined.number = 1000)::boolean AS last_read
    FROM (
        SELECT
            a.id,
            a.starts_at,
            (
                (@any_clinic::boolean OR a.clinic_id = @clinic_id)
                AND (cardinality(@statuses::text[]) = 0 OR a.status = ANY(@statuses))
                AND (@any_visit_type::boolean OR a.visit_type_id = @visit_type_id::uuid)
                AND ((@own::boolean AND a.patient_id = @actor_id) OR a.clinic_id = ANY(@clinics::uuid[]))
                AND (NOT @needs_attention::boolean OR coalesce((SELECT true FROM appointment_attention AS n WHERE n.id = a.id), false))
            )::boolean AS matches,
            row_number() OVER (ORDER BY a.starts_at, a.id) AS number
        FROM appointments AS a
        WHERE a.doctor_id = @doctor_id
            AND a.starts_at < @to_time::timestamptz
            AND (a.starts_at, a.id) > (@after_time::timestamptz, @after_id::uuid)
        ORDER BY a.starts_at, a.id
        LIMIT 1000
    ) AS examined
    WHERE examined.matches
        OR examined.number = 1000
    ORDER BY examined.starts_at, examined.id
    LIMIT @row_limit
) AS page
JOIN appointments AS a ON a.id = page.id
ORDER BY page.starts_at, page.id;

-- Reads the actor's own appointments and those of each clinic in the order of their index. Behind a
-- row that is the last one read of its index, the list is incomplete.
-- name: AppointmentListVisible :many
SELECT
    sqlc.embed(a),
    page.matches,
    page.last_read
FROM (
    SELECT
        found.id,
        found.starts_at,
        bool_or(found.matches)::boolean AS matches,
        bool_or(found.last_read)::boolean AS last_read
    FROM (
        (
            SELECT
                examined.id,
                examined.starts_at,
                examined.matches,
                (examined.number = 1000)::boolean AS last_read
            FROM (
                SELECT
                    a.id,
                    a.starts_at,
                    (
                        (cardinality(@statuses::text[]) = 0 OR a.status = ANY(@statuses))
                        AND (@any_visit_type::boolean OR a.visit_type_id = @visit_type_id::uuid)
                        AND (NOT @needs_attention::boolean OR coalesce((SELECT true FROM appointment_attention AS n WHERE n.id = a.id), false))
                    )::boolean AS matches,
                    row_number() OVER (ORDER BY a.starts_at, a.id) AS number
                FROM appointments AS a
                WHERE @own::boolean
                    AND a.patient_id = @actor_id
                    AND a.starts_at < @to_time::timestamptz
                    AND (a.starts_at, a.id) > (@after_time::timestamptz, @after_id::uuid)
                ORDER BY a.starts_at, a.id
                LIMIT 1000
            ) AS examined
            WHERE examined.matches
                OR examined.number = 1000
            ORDER BY examined.starts_at, examined.id
            LIMIT @row_limit
        )
        UNION ALL
        SELECT theirs.*
        FROM unnest(@clinics::uuid[]) AS c (id)
        CROSS JOIN LATERAL (
            SELECT
                examined.id,
                examined.starts_at,
                examined.matches,
                (examined.number = 1000)::boolean AS last_read
            FROM (
                SELECT
                    a.id,
                    a.starts_at,
                    (
                        (@any_visit_type::boolean OR a.visit_type_id = @visit_type_id::uuid)
                        AND (NOT @needs_attention::boolean OR coalesce((SELECT true FROM appointment_attention AS n WHERE n.id = a.id), false))
                    )::boolean AS matches,
                    row_number() OVER (ORDER BY a.starts_at, a.id) AS number
                FROM appointments AS a
                WHERE a.clinic_id = c.id
                    AND a.starts_at < @to_time::timestamptz
                    AND (a.starts_at, a.id) > (@after_time::timestamptz, @after_id::uuid)
                ORDER BY a.starts_at, a.id
                LIMIT 1000
            ) AS examined
            WHERE examined.matches
                OR examined.number = 1000
            ORDER BY examined.starts_at, examined.id
            LIMIT @row_limit
        ) AS theirs
    ) AS found
    GROUP BY found.starts_at, found.id
    ORDER BY found.starts_at, found.id
    LIMIT @row_limit
) AS page
JOIN appointments AS a ON a.id = page.id
ORDER BY page.starts_at, page.id;

-- The same with the statuses, each of which has its part of an index: open requests are few among
-- the appointments of years.
-- name: AppointmentListVisibleInStatus :many
SELECT
    sqlc.embed(a),
    page.matches,
    page.last_read
FROM (
    SELECT
        found.id,
        found.starts_at,
        bool_or(found.matches)::boolean AS matches,
        bool_or(found.last_read)::boolean AS last_read
    FROM (
        (
            SELECT
                examined.id,
                examined.starts_at,
                examined.matches,
                (examined.number = 1000)::boolean AS last_read
            FROM (
                SELECT
                    a.id,
                    a.starts_at,
                    (
                        a.status = ANY(@statuses::text[])
                        AND (@any_visit_type::boolean OR a.visit_type_id = @visit_type_id::uuid)
                        AND (NOT @needs_attention::boolean OR coalesce((SELECT true FROM appointment_attention AS n WHERE n.id = a.id), false))
                    )::boolean AS matches,
                    row_number() OVER (ORDER BY a.starts_at, a.id) AS number
                FROM appointments AS a
                WHERE @own::boolean
                    AND a.patient_id = @actor_id
                    AND a.starts_at < @to_time::timestamptz
                    AND (a.starts_at, a.id) > (@after_time::timestamptz, @after_id::uuid)
                ORDER BY a.starts_at, a.id
                LIMIT 1000
            ) AS examined
            WHERE examined.matches
                OR examined.number = 1000
            ORDER BY examined.starts_at, examined.id
            LIMIT @row_limit
        )
        UNION ALL
        SELECT theirs.*
        FROM unnest(@clinics::uuid[]) AS c (id)
        CROSS JOIN unnest(@statuses::text[]) AS s (status)
        CROSS JOIN LATERAL (
            SELECT
                examined.id,
                examined.starts_at,
                examined.matches,
                (examined.number = 1000)::boolean AS last_read
            FROM (
                SELECT
                    a.id,
                    a.starts_at,
                    (
                        (@any_visit_type::boolean OR a.visit_type_id = @visit_type_id::uuid)
                        AND (NOT @needs_attention::boolean OR coalesce((SELECT true FROM appointment_attention AS n WHERE n.id = a.id), false))
                    )::boolean AS matches,
                    row_number() OVER (ORDER BY a.starts_at, a.id) AS number
                FROM appointments AS a
                WHERE a.clinic_id = c.id
                    AND a.status = s.status
                    AND a.starts_at < @to_time::timestamptz
                    AND (a.starts_at, a.id) > (@after_time::timestamptz, @after_id::uuid)
                ORDER BY a.starts_at, a.id
                LIMIT 1000
            ) AS examined
            WHERE examined.matches
                OR examined.number = 1000
            ORDER BY examined.starts_at, examined.id
            LIMIT @row_limit
        ) AS theirs
    ) AS found
    GROUP BY found.starts_at, found.id
    ORDER BY found.starts_at, found.id
    LIMIT @row_limit
) AS page
JOIN appointments AS a ON a.id = page.id
ORDER BY page.starts_at, page.id;

-- Reports whether the actor may list the patient's appointments if the list is empty.
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

-- Returns the number of the patient's future requests at the clinic, and the one with the same
-- doctor at an overlapping time, if any. The patient is locked.
-- name: AppointmentRequestsOpen :one
SELECT
    count(*) FILTER (WHERE a.clinic_id = @clinic_id) AS open,
    coalesce(
        (array_agg(a.id ORDER BY a.created_at) FILTER (WHERE a.doctor_id = @doctor_id AND a.starts_at < @ends_at::timestamptz AND a.ends_at > @starts_at::timestamptz))[1],
        '00000000-0000-0000-0000-000000000000'
    )::uuid AS same
FROM appointments AS a
WHERE a.patient_id = @patient_id
    AND a.status = 'requested'
    AND a.starts_at > @after::timestamptz
    AND a.id <> @id;

-- name: AppointmentReversalInsert :exec
INSERT INTO appointment_reversals (appointment_id, version, from_status, to_status, reason, reversed_at, reversed_by)
VALUES (@appointment_id, @version, @from_status, @to_status, @reason, now(), @reversed_by);

-- name: AppointmentReversalList :many
SELECT *
FROM appointment_reversals
WHERE appointment_id = @appointment_id
ORDER BY version;

-- Takes up to row_limit appointments of a departure that have no event yet. If fewer are left, the
-- departure is done and deleted. Of concurrent callers one gets them.
-- name: AppointmentDepartureTake :many
WITH departure AS (
    SELECT *
    FROM appointment_departures AS d
    WHERE d.clinic_id = @clinic_id
        AND d.person_id = @person_id
        AND d.role = @role
    FOR UPDATE SKIP LOCKED
), found AS (
    SELECT
        a.*,
        CASE d.role WHEN 'doctor' THEN n.doctor_reason ELSE n.patient_reason END AS reason
    FROM departure AS d
    JOIN appointments AS a ON CASE d.role WHEN 'doctor' THEN a.doctor_id ELSE a.patient_id END = d.person_id
    JOIN appointment_attention AS n ON n.id = a.id
    WHERE a.clinic_id = d.clinic_id
        AND (a.starts_at, a.id) > (d.after_time, d.after_id)
        AND CASE d.role WHEN 'doctor' THEN n.doctor_reason ELSE n.patient_reason END IS NOT NULL
    ORDER BY a.starts_at, a.id
    LIMIT @row_limit
), done AS (
    DELETE FROM appointment_departures AS x
    USING departure AS d
    WHERE x.clinic_id = d.clinic_id
        AND x.person_id = d.person_id
        AND x.role = d.role
        AND (SELECT count(*) FROM found) < @row_limit
), advanced AS (
    UPDATE appointment_departures AS x
    SET
        after_time = l.starts_at,
        after_id = l.id
    FROM departure AS d
    CROSS JOIN (SELECT f.starts_at, f.id FROM found AS f ORDER BY f.starts_at DESC, f.id DESC LIMIT 1) AS l
    WHERE x.clinic_id = d.clinic_id
        AND x.person_id = d.person_id
        AND x.role = d.role
        AND (SELECT count(*) FROM found) = @row_limit
)
SELECT
    f.id,
    f.clinic_id,
    f.patient_id,
    f.doctor_id,
    f.status,
    f.starts_at,
    f.reason::text AS reason
FROM found AS f
ORDER BY f.starts_at, f.id;

-- name: AppointmentDepartureList :many
SELECT
    clinic_id,
    person_id,
    role
FROM appointment_departures
ORDER BY left_at, clinic_id, person_id, role
LIMIT @row_limit;
