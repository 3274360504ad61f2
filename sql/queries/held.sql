-- Notifications that wait for a clinician to see a critical finding.

-- name: NotificationHeldOf :many
-- What waits for a review of one record, with what may become of it now, the row locked. A telling is free once the record is
-- not held any more, whichever of its versions was reviewed.
SELECT
    n.id,
    n.event_position,
    CASE
        WHEN r.status = 'entered-in-error' THEN 'retracted'
        WHEN r.held_until > now() THEN 'held'
        ELSE 'free'
    END::text AS verdict
FROM notifications AS n
LEFT JOIN records AS r ON r.id = split_part(n.subject, '/', 2)::uuid
WHERE n.recipient_id = @recipient_id
    AND n.subject = @subject
    AND n.held_until IS NOT NULL
    AND n.held_until < 'infinity'
ORDER BY n.id
LIMIT @max_rows
FOR UPDATE OF n;

-- name: NotificationHeldDue :many
-- What has waited long enough, the longest first. One whose record a later version holds again goes on waiting. What another
-- transaction is at is left to it.
SELECT
    n.id,
    n.event_position,
    CASE
        WHEN r.status = 'entered-in-error' THEN 'retracted'
        WHEN r.held_until > now() THEN 'held'
        ELSE 'free'
    END::text AS verdict
FROM notifications AS n
LEFT JOIN records AS r ON r.id = split_part(n.subject, '/', 2)::uuid
WHERE n.held_until <= now()
ORDER BY n.held_until
LIMIT @max_rows
FOR UPDATE OF n SKIP LOCKED;

-- name: NotificationHoldOn :exec
-- Waits as long as the record is held.
UPDATE notifications AS n
SET held_until = r.held_until
FROM records AS r
WHERE n.id = ANY (@ids::uuid[])
    AND n.event_position = ANY (@event_positions::bigint[])
    AND r.id = split_part(n.subject, '/', 2)::uuid
    AND r.held_until > now();

-- name: NotificationHoldEnd :many
-- Ends the waiting: the messages are queued, or, of a record that was retracted, suppressed. Gives each message.
WITH ended AS (
    UPDATE notifications AS n
    SET held_until = CASE WHEN @retracted::boolean THEN 'infinity'::timestamptz END
    WHERE n.id = ANY (@ids::uuid[])
        AND n.event_position = ANY (@event_positions::bigint[])
        AND n.held_until IS NOT NULL
    RETURNING
        n.id,
        n.event_position,
        n.recipient_id,
        n.clinic_id,
        n.rule_version
)
UPDATE deliveries AS d
SET
    state = CASE WHEN @retracted::boolean THEN 'suppressed' ELSE 'queued' END,
    reason = CASE WHEN @retracted::boolean THEN @reason::text ELSE 'rule ' || d.rule END,
    updated_at = now()
FROM ended
WHERE d.event_position = ended.event_position
    AND d.recipient_id = ended.recipient_id
    AND d.notification_id = ended.id
    AND d.state = 'planned'
RETURNING
    d.id,
    d.notification_id,
    d.event_id,
    d.recipient_id,
    d.channel,
    d.priority,
    d.state,
    d.reason,
    d.rule,
    d.correlation_id,
    d.traceparent,
    ended.clinic_id,
    ended.rule_version;
