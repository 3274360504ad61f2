-- Appending to the outbox, the event types, and the notification that wakes the sequencer.

-- name: OutboxInsert :exec
INSERT INTO outbox (event_id, type, source, subject, subject_version, time, data, clinic_id, person_id, actor_id, actor_role,
    cause_id, correlation_id, traceparent, imported, client_address, client_agent)
VALUES (
    @event_id,
    @type,
    @source,
    @subject,
    @subject_version,
    @time,
    @data,
    @clinic_id,
    @person_id,
    @actor_id,
    @actor_role,
    @cause_id,
    @correlation_id,
    @traceparent,
    @imported,
    nullif(@client_address::text, '')::inet,
    nullif(@client_agent::text, '')
);

-- Inserts events in the order of the arrays. Arrays of these types cannot contain NULL, so the zero
-- value represents it.
-- name: OutboxInsertMany :exec
INSERT INTO outbox (event_id, type, source, subject, subject_version, time, data, clinic_id, person_id, actor_id, actor_role,
    cause_id, correlation_id, traceparent, imported, client_address, client_agent)
SELECT
    unnest(@event_ids::uuid[]),
    unnest(@types::text[]),
    unnest(@sources::text[]),
    unnest(@subjects::text[]),
    nullif(unnest(@subject_versions::bigint[]), 0),
    unnest(@times::timestamptz[]),
    unnest(@data::jsonb[]),
    nullif(unnest(@clinic_ids::uuid[]), '00000000-0000-0000-0000-000000000000'),
    nullif(unnest(@person_ids::uuid[]), '00000000-0000-0000-0000-000000000000'),
    unnest(@actor_ids::text[]),
    unnest(@actor_roles::text[]),
    nullif(unnest(@cause_ids::uuid[]), '00000000-0000-0000-0000-000000000000'),
    nullif(unnest(@correlation_ids::text[]), ''),
    nullif(unnest(@traceparents::text[]), ''),
    unnest(@imported::boolean[]),
    nullif(unnest(@client_addresses::text[]), '')::inet,
    nullif(unnest(@client_agents::text[]), '');

-- A transaction that only notifies need not wait for its flush: the sequencer's poll compensates
-- for a notification lost in a crash.
-- name: OutboxRing :exec
SELECT
    set_config('synchronous_commit', 'off', true),
    pg_notify('carewire_outbox', '');

-- name: OutboxListen :exec
LISTEN carewire_outbox;

-- name: OutboxFirst :one
SELECT id
FROM outbox
ORDER BY id
LIMIT 1;

-- Moves a row that cannot be sequenced aside, without the client, which is deleted after some time.
-- name: OutboxReject :one
WITH taken AS (
    DELETE FROM outbox AS o
    WHERE o.id = @id
    RETURNING o.*
), rejected AS (
    INSERT INTO outbox_rejected (id, event, error)
    SELECT
        taken.id,
        to_jsonb(taken) - 'client_address' - 'client_agent',
        @error
    FROM taken
)
SELECT
    event_id,
    type
FROM taken;

-- Lists rejected rows. The envelope is returned only where it has the form of an envelope, because
-- a row inserted around the checks can contain anything.
-- name: RejectedList :many
SELECT
    id,
    CASE WHEN event ->> 'event_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN event ->> 'event_id' ELSE '' END::text AS event_id,
    CASE WHEN event ->> 'type' ~ '^[a-z][a-z0-9_]{0,30}([.][a-z][a-z0-9_]{0,30}){1,3}$' THEN event ->> 'type' ELSE '' END::text AS type,
    CASE WHEN event ->> 'subject' ~ '^[a-z][a-z0-9_]{0,50}/[0-9a-f-]{1,36}$' THEN event ->> 'subject' ELSE '' END::text AS subject,
    error,
    rejected_at
FROM outbox_rejected
WHERE id > @after_id
    AND redriven_at IS NULL
ORDER BY id
LIMIT @max_rows;

-- name: RejectedTake :one
SELECT
    id,
    redriven_at
FROM outbox_rejected
WHERE id = @id
FOR UPDATE;

-- Returns a rejected row to the outbox as its newest. All constraints of the outbox apply again.
-- name: RejectedRequeue :one
INSERT INTO outbox (event_id, type, source, subject, subject_version, time, data, clinic_id, person_id, actor_id, actor_role,
    cause_id, correlation_id, traceparent, imported)
SELECT
    (r.event ->> 'event_id')::uuid,
    r.event ->> 'type',
    r.event ->> 'source',
    r.event ->> 'subject',
    (r.event ->> 'subject_version')::bigint,
    (r.event ->> 'time')::timestamptz,
    r.event -> 'data',
    (r.event ->> 'clinic_id')::uuid,
    (r.event ->> 'person_id')::uuid,
    r.event ->> 'actor_id',
    r.event ->> 'actor_role',
    (r.event ->> 'cause_id')::uuid,
    r.event ->> 'correlation_id',
    r.event ->> 'traceparent',
    coalesce((r.event ->> 'imported')::boolean, false)
FROM outbox_rejected AS r
WHERE r.id = @id
RETURNING event_id;

-- name: RejectedRedriven :exec
UPDATE outbox_rejected
SET redriven_at = now()
WHERE id = @id;

-- An unknown type is kept, because a newer binary may have added it.
-- name: EventTypeUpsertMany :exec
INSERT INTO event_types (type, category, required)
SELECT
    unnest(@types::text[]),
    unnest(@categories::text[]),
    string_to_array(unnest(@required::text[]), ',')
ON CONFLICT (type) DO UPDATE
SET category = excluded.category,
    required = excluded.required,
    synced_at = now()
WHERE (event_types.category, event_types.required) IS DISTINCT FROM (excluded.category, excluded.required);

-- Returns the person and the clinic of a refused resource, regardless of the actor's scope; the
-- zero id if it does not exist.
-- name: SubjectOwner :one
SELECT
    coalesce(subject_person(@kind::text, @id::uuid), '00000000-0000-0000-0000-000000000000')::uuid AS person_id,
    coalesce(subject_clinic(@kind::text, @id::uuid), '00000000-0000-0000-0000-000000000000')::uuid AS clinic_id;
