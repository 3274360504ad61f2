-- Appending to the outbox, the catalog beside it, and the bell that says there is something in it.

-- name: OutboxInsert :exec
INSERT INTO outbox (event_id, type, source, subject, subject_version, time, data, clinic_id, person_id, actor_id, actor_role,
    cause_id, correlation_id, traceparent, imported)
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
    @imported
);

-- Many events in the order of the arrays. An array of these types holds no NULL, so its zero value stands for one.
-- name: OutboxInsertMany :exec
INSERT INTO outbox (event_id, type, source, subject, subject_version, time, data, clinic_id, person_id, actor_id, actor_role,
    cause_id, correlation_id, traceparent, imported)
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
    unnest(@imported::boolean[]);

-- Nobody waits for the flush of a transaction that only rings: a notification that a crash swallows is made up for by
-- the sequencer's poll.
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

-- Takes a row that cannot be moved out of the way, whole.
-- name: OutboxReject :one
WITH taken AS (
    DELETE FROM outbox AS o
    WHERE o.id = @id
    RETURNING o.*
), rejected AS (
    INSERT INTO outbox_rejected (id, event, error)
    SELECT
        taken.id,
        to_jsonb(taken),
        @error
    FROM taken
)
SELECT
    event_id,
    type
FROM taken;

-- A type that this binary does not know stays: a newer one may have brought it.
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
