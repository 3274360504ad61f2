-- The ledger: moving the outbox into it, reading it, its epochs.

-- The first statement of a sequencer's transaction, so that the snapshot of the next one is taken
-- under the lock. The settings end with the transaction. One tells the move whether it may run, so
-- that both are sent together. The others keep the move on its indexes even if the planner's
-- statistics of these fast-changing tables are stale or missing.
-- name: SequencerTryLock :one
SELECT (
    set_config('carewire.sequencer', pg_try_advisory_xact_lock(hashtextextended('carewire sequencer', 0))::text, true) = 'true'
    AND set_config('enable_seqscan', 'off', true) = 'off'
    AND set_config('jit', 'off', true) = 'off'
)::boolean AS locked;

-- Waits until the active sequencer commits, and blocks others until this transaction ends.
-- name: SequencerLock :exec
SELECT pg_advisory_xact_lock(hashtextextended('carewire sequencer', 0));

-- Moves events in one statement under the sequencer's lock: takes the oldest rows of the outbox,
-- drops duplicates of events in the ledger and among the rows, and assigns the next positions in
-- the order of the outbox. The ids are an array and the lookup is LATERAL, so that each is an index
-- scan for any batch size; recorded_at is the time of this statement, so that it never decreases
-- along the ledger. Without the lock of SequencerTryLock it moves nothing. It notifies the readers of
-- the ledger.
-- name: LedgerMove :one
WITH taken AS (
    DELETE FROM outbox AS o
    WHERE o.id = ANY (ARRAY(
        SELECT waiting.id
        FROM outbox AS waiting
        WHERE waiting.id >= @first_id
            AND current_setting('carewire.sequencer', true) = 'true'
        ORDER BY waiting.id
        LIMIT @batch_size
    ))
    RETURNING o.*
), counted AS (
    SELECT
        taken.*,
        row_number() OVER (PARTITION BY event_id ORDER BY id) AS occurrence
    FROM taken
), placed AS (
    SELECT
        counted.*,
        head.position + row_number() OVER (ORDER BY counted.id) AS position,
        head.epoch,
        statement_timestamp() AS recorded_at
    FROM counted
    CROSS JOIN (
        SELECT
            coalesce((SELECT e.position FROM events AS e ORDER BY e.position DESC LIMIT 1), 0) AS position,
            (SELECT max(le.epoch) FROM ledger_epochs AS le) AS epoch
    ) AS head
    LEFT JOIN LATERAL (
        SELECT e.position
        FROM events AS e
        WHERE e.event_id = counted.event_id
        LIMIT 1
    ) AS known ON true
    WHERE counted.occurrence = 1
        AND known.position IS NULL
), stamped AS (
    INSERT INTO events (position, epoch, event_id, type, source, subject, subject_version, time, data, clinic_id, person_id,
        actor_id, actor_role, cause_id, correlation_id, traceparent, imported, recorded_at, leaf_hash)
    SELECT
        p.position,
        p.epoch,
        p.event_id,
        p.type,
        p.source,
        p.subject,
        p.subject_version,
        p.time,
        p.data,
        p.clinic_id,
        p.person_id,
        p.actor_id,
        p.actor_role,
        p.cause_id,
        p.correlation_id,
        p.traceparent,
        p.imported,
        p.recorded_at,
        event_leaf(p.position, p.epoch, p.event_id, p.type, p.source, p.subject, p.subject_version, p.time, p.data, p.clinic_id,
            p.person_id, p.actor_id, p.actor_role, p.cause_id, p.correlation_id, p.traceparent, p.imported, p.recorded_at)
    FROM placed AS p
    ORDER BY p.position
    RETURNING position
), last AS (
    SELECT max(position) AS position
    FROM stamped
), notified AS (
    SELECT pg_notify('carewire_ledger', last.position::text)
    FROM last
    WHERE last.position IS NOT NULL
), clients AS (
    INSERT INTO event_clients (position, recorded_at, address, agent)
    SELECT
        p.position,
        p.recorded_at,
        p.client_address,
        p.client_agent
    FROM placed AS p
    WHERE p.client_agent IS NOT NULL
    ORDER BY p.position
)
SELECT
    (SELECT count(*) FROM taken) AS taken,
    (SELECT count(*) FROM stamped) AS stamped,
    coalesce((SELECT last.position FROM last), 0)::bigint AS last_position,
    (SELECT count(*) FROM notified) AS notifications;

-- name: LedgerListen :exec
LISTEN carewire_ledger;

-- name: LedgerPartitionsAhead :one
SELECT events_partitions_ahead(@position);

-- Returns the newest epoch, and the ledger's last event: position 0 and no hash if it is empty.
-- name: LedgerHead :one
SELECT
    (SELECT max(epoch) FROM ledger_epochs)::integer AS epoch,
    coalesce(e.position, 0)::bigint AS position,
    coalesce(e.leaf_hash, '')::bytea AS leaf_hash
FROM (SELECT) AS one
LEFT JOIN (
    SELECT
        events.position,
        events.leaf_hash
    FROM events
    ORDER BY events.position DESC
    LIMIT 1
) AS e ON true;

-- Reports whether an epoch begins at the position: only then may positions before it be missing.
-- name: EpochBeginsAt :one
SELECT EXISTS (
    SELECT
    FROM ledger_epochs
    WHERE first_position = @position
        AND epoch = @epoch
);

-- Returns the newest epoch, and the current hash at a position: none if the ledger ends before it.
-- name: LedgerHashAt :one
SELECT
    (SELECT max(epoch) FROM ledger_epochs)::integer AS epoch,
    coalesce((SELECT e.leaf_hash FROM events AS e WHERE e.position = @position), '')::bytea AS leaf_hash;

-- name: EventList :many
SELECT *
FROM events
WHERE position >= @first_position
ORDER BY position
LIMIT @max_events;

-- Returns the events of these types in a part of the ledger.
-- name: EventListTypes :many
SELECT *
FROM events
WHERE position >= @first_position
    AND position < @end_position
    AND type = ANY(@types::text[])
ORDER BY position;

-- Returns when the first event from a position on was recorded.
-- name: LedgerTimeFrom :one
SELECT
    position,
    recorded_at
FROM events
WHERE position >= @first_position
ORDER BY position
LIMIT 1;

-- Returns the trace data of a batch's events with a request that was or may have been sampled. An
-- unreadable time is returned as the nearest readable one.
-- name: EventTraces :many
SELECT
    position,
    event_id,
    type,
    least(greatest(time, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00')::timestamptz AS time,
    traceparent
FROM events
WHERE position BETWEEN @first_position AND @last_position
    AND traceparent IS NOT NULL
    AND right(traceparent, 2) <> '00'
ORDER BY position;

-- Returns those of the ids that are in the ledger.
-- name: EventKnown :many
SELECT event_id
FROM events
WHERE event_id = ANY(@event_ids::uuid[]);

-- Requires the sequencer's lock, so that the first position is correct.
-- name: EpochInsert :one
INSERT INTO ledger_epochs (epoch, first_position, reason)
SELECT
    max(epoch) + 1,
    coalesce((SELECT e.position FROM events AS e ORDER BY e.position DESC LIMIT 1), 0) + 1,
    @reason
FROM ledger_epochs
RETURNING epoch;

-- name: CursorKeyInsert :exec
INSERT INTO service_settings (name, value)
VALUES ('ledger.cursor_key', @value)
ON CONFLICT (name) DO NOTHING;

-- name: CursorKeyGet :one
SELECT value
FROM service_settings
WHERE name = 'ledger.cursor_key';

-- name: LedgerTop :one
-- Returns the last event of the ledger.
SELECT
    position,
    epoch,
    event_id,
    type,
    leaf_hash
FROM events
ORDER BY position DESC
LIMIT 1;

-- name: LedgerLeaves :many
-- Returns a page of the ledger for its verification: whether the leaf hash of each event matches its
-- columns, whether its id occurs again, and the first position of its epoch.
SELECT
    e.position,
    e.epoch,
    (e.leaf_hash = event_leaf(e))::boolean AS intact,
    EXISTS (
        SELECT
        FROM events AS d
        WHERE d.event_id = e.event_id
            AND d.position <> e.position
    ) AS duplicate,
    coalesce((SELECT p.first_position FROM ledger_epochs AS p WHERE p.epoch = e.epoch), 0)::bigint AS first_position
FROM events AS e
WHERE e.position > @after
    AND e.position <= @until
ORDER BY e.position
LIMIT @max_rows;
