-- What is due later: notifications that were planned for a time, or that wait for the end of quiet hours.

-- name: DueNow :one
-- Returns the time by which it is decided what is due.
SELECT due_now()::timestamptz AS due_now;

-- name: DueClockMove :one
-- Moves the clock of what is due ahead, returns it, and wakes the scheduler of every instance. Only a demo does.
WITH moved AS (
    UPDATE due_clock
    SET ahead = ahead + make_interval(secs => @seconds::double precision)
    RETURNING (now() + ahead)::timestamptz AS due_now
)
SELECT
    moved.due_now,
    coalesce(pg_notify('carewire_ledger', '')::text, '')::text AS woken
FROM moved;

-- name: NotificationNextDue :one
-- Returns the seconds until the first notification is due; no row if none waits.
SELECT extract(epoch FROM n.due_at - due_now())::double precision AS seconds
FROM notifications AS n
WHERE n.due_at IS NOT NULL
ORDER BY n.due_at
LIMIT 1;

-- name: NotificationTakeDue :many
-- Locks the notifications that are due, longest due first and then in the order of their events, except those that another transaction has locked. cut_off is the reason
-- why one is no longer true: it was planned while its cut-off was being raised. Cut-offs are looked up for each row, because a join
-- reads all of them.
SELECT
    n.id,
    n.event_position,
    n.event_id,
    n.recipient_id,
    n.clinic_id,
    n.rule,
    n.rule_version,
    n.plan_key,
    (n.held_until IS NOT NULL)::boolean AS hidden,
    coalesce('cut_off:' || (
        SELECT c.cause_type
        FROM subject_cutoffs AS c
        WHERE c.subject = n.subject
            AND c.recipient_id IN ('00000000-0000-0000-0000-000000000000', n.recipient_id)
            AND c.version > n.subject_version
        ORDER BY c.recipient_id
        LIMIT 1
    ), '')::text AS cut_off
FROM notifications AS n
WHERE n.due_at <= due_now()
ORDER BY
    n.due_at,
    n.event_position
LIMIT @max_rows
FOR UPDATE OF n SKIP LOCKED;

-- name: NotificationPostpone :exec
-- Delays the notification that has been due longest.
UPDATE notifications AS n
SET due_at = due_now() + make_interval(secs => @seconds::double precision)
FROM (
    SELECT
        f.id,
        f.event_position
    FROM notifications AS f
    WHERE f.due_at <= due_now()
    ORDER BY
        f.due_at,
        f.event_position
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS first
WHERE n.id = first.id
    AND n.event_position = first.event_position;

-- name: DeliveryWaiting :many
-- Returns the deliveries of notifications that are planned for later, in the order of their channels.
SELECT
    d.id,
    d.notification_id,
    d.channel,
    d.rule,
    d.template_version,
    d.reason
FROM (
    SELECT
        unnest(@notification_ids::uuid[]) AS id,
        unnest(@event_positions::bigint[]) AS event_position,
        unnest(@recipient_ids::uuid[]) AS recipient_id,
        unnest(@plan_keys::text[]) AS plan_key
) AS n
JOIN deliveries AS d
    ON d.event_position = n.event_position AND d.recipient_id = n.recipient_id AND d.plan_key = n.plan_key AND d.notification_id = n.id
WHERE d.state = 'planned'
ORDER BY
    d.notification_id,
    d.created_at,
    d.id;

-- name: EventsAt :many
SELECT *
FROM events
WHERE position = ANY (@positions::bigint[])
ORDER BY position;

-- name: DeliveryDecide :many
-- Decides deliveries that were planned for later, and returns them. not_befores has year 1 for those that wait no longer.
UPDATE deliveries AS d
SET
    state = r.state,
    reason = r.reason,
    fallback = string_to_array(r.fallback, ','),
    not_before = nullif(r.not_before, '0001-01-01 00:00:00+00'),
    updated_at = now()
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@event_positions::bigint[]) AS event_position,
        unnest(@states::text[]) AS state,
        unnest(@reasons::text[]) AS reason,
        unnest(@fallbacks::text[]) AS fallback,
        unnest(@not_befores::timestamptz[]) AS not_before
) AS r
WHERE d.id = r.id
    AND d.event_position = r.event_position
    AND d.state = 'planned'
RETURNING d.id;

-- name: NotificationDecide :exec
-- Stores when notifications are due again (year 1: not), and puts those that are released into the inbox, or the archive.
UPDATE notifications AS n
SET
    due_at = nullif(r.due_at, '0001-01-01 00:00:00+00'),
    held_until = CASE WHEN r.released THEN NULL ELSE n.held_until END,
    created_at = CASE WHEN r.released AND n.held_until IS NOT NULL THEN now() ELSE n.created_at END,
    seen_at = CASE WHEN r.released AND r.archived THEN now() ELSE n.seen_at END,
    archived_at = CASE WHEN r.released AND r.archived THEN now() ELSE n.archived_at END
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@event_positions::bigint[]) AS event_position,
        unnest(@due_ats::timestamptz[]) AS due_at,
        unnest(@released::boolean[]) AS released,
        unnest(@archived::boolean[]) AS archived
) AS r
WHERE n.id = r.id
    AND n.event_position = r.event_position;
