-- The audit trail as the service reads it.

-- Returns the events that all given filters select, oldest first: the same as audit.find(), paged.
-- name: AuditList :many
SELECT e.*
FROM events AS e
WHERE e.position = ANY(ARRAY(
    SELECT audit.positions(
        sqlc.narg(subject)::text,
        sqlc.narg(person_id)::uuid,
        sqlc.narg(actor_id)::text,
        sqlc.narg(types)::text[],
        sqlc.narg(from_time)::timestamptz,
        sqlc.narg(to_time)::timestamptz,
        @after::bigint,
        @until::bigint,
        @row_limit::integer
    )
))
ORDER BY e.position;

-- name: AuditHead :one
SELECT coalesce((SELECT e.position FROM events AS e ORDER BY e.position DESC LIMIT 1), 0)::bigint AS position;

-- Requires the scope "system".
-- name: AuditClients :many
SELECT
    position,
    coalesce(abbrev(address), '')::text AS address,
    agent
FROM event_clients
WHERE position = ANY(@positions::bigint[]);

-- Deletes the clients of events that were recorded more than max_age_seconds ago: at most max_rows.
-- name: EventClientsDeleteOld :execrows
DELETE FROM event_clients
WHERE position = ANY(ARRAY(
    SELECT c.position
    FROM event_clients AS c
    ORDER BY c.position
    LIMIT @max_rows
))
    AND recorded_at < now() - make_interval(secs => @max_age_seconds::double precision);

-- Returns people with their roles, like audit.people. Requires the scope "system".
-- name: AuditPeople :many
SELECT
    u.id,
    concat_ws(' ', u.given_name, u.family_name)::text AS name,
    CASE WHEN u.deceased_on IS NULL THEN u.status ELSE 'deceased' END::text AS status,
    u.merged_into,
    coalesce((
        SELECT jsonb_agg(jsonb_build_object('role', m.role, 'clinicId', m.clinic_id, 'clinic', c.name) ORDER BY m.granted_at, m.id)
        FROM memberships AS m
        LEFT JOIN clinics AS c ON c.id = m.clinic_id
        WHERE m.user_id = u.id
            AND m.revoked_at IS NULL
    ), '[]')::jsonb AS roles
FROM users AS u
WHERE u.id = ANY(@ids::uuid[])
ORDER BY u.id;
