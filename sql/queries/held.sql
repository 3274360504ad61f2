-- Notifications that wait for a clinician to review a critical finding.

-- name: NotificationHeldOf :many
-- Returns the notifications that wait for the review of one record, locked.
SELECT
    id,
    event_position,
    subject
FROM notifications
WHERE recipient_id = @recipient_id
    AND subject = @subject
    AND held_until IS NOT NULL
    AND held_until < 'infinity'
ORDER BY id
LIMIT @max_rows
FOR UPDATE;

-- name: NotificationHeldDue :many
-- Returns expired holds, longest expired first, except rows locked by another transaction.
SELECT
    id,
    event_position,
    subject
FROM notifications
WHERE held_until <= now()
ORDER BY held_until
LIMIT @max_rows
FOR UPDATE SKIP LOCKED;

-- name: NotificationHoldOn :exec
-- Extends the wait because a later version of the record is held.
UPDATE notifications AS n
SET held_until = longer.held_until
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@event_positions::bigint[]) AS event_position,
        unnest(@held_untils::timestamptz[]) AS held_until
) AS longer
WHERE n.id = longer.id
    AND n.event_position = longer.event_position;

-- name: NotificationHoldEnd :many
-- Ends the wait: the messages are queued, or suppressed if the record was retracted, or cancelled if
-- they are no longer true for another reason. Returns each message, and a notification without
-- waiting messages with a zero id, but none that has just become untrue.
WITH asked AS (
    SELECT
        n.id,
        n.event_position,
        'cut_off:' || cutoff.cause_type AS cut_off
    FROM (
        SELECT
            unnest(@ids::uuid[]) AS id,
            unnest(@event_positions::bigint[]) AS event_position
    ) AS given
    JOIN notifications AS n ON n.id = given.id AND n.event_position = given.event_position
    LEFT JOIN subject_cutoffs AS cutoff
        ON cutoff.subject = n.subject AND cutoff.recipient_id IN ('00000000-0000-0000-0000-000000000000', n.recipient_id) AND cutoff.version > n.subject_version AND NOT @retracted::boolean
), ended AS (
    UPDATE notifications AS n
    SET held_until = CASE WHEN @retracted::boolean OR asked.cut_off IS NOT NULL THEN 'infinity'::timestamptz END
    FROM asked
    WHERE n.id = asked.id
        AND n.event_position = asked.event_position
    RETURNING
        n.id,
        n.event_position,
        n.recipient_id,
        n.event_id,
        n.clinic_id,
        n.rule,
        n.rule_version,
        asked.cut_off
), changed AS (
    UPDATE deliveries AS d
    SET
        state = CASE WHEN @retracted::boolean THEN 'suppressed' WHEN ended.cut_off IS NOT NULL THEN 'cancelled' ELSE 'queued' END,
        reason = CASE WHEN @retracted::boolean THEN @reason::text ELSE coalesce(ended.cut_off, 'rule ' || d.rule) END,
        updated_at = now()
    FROM ended
    WHERE d.event_position = ended.event_position
        AND d.recipient_id = ended.recipient_id
        AND d.notification_id = ended.id
        AND d.state = 'planned'
    RETURNING
        d.id,
        d.notification_id,
        d.channel,
        d.priority,
        d.state,
        d.reason,
        d.rule,
        d.correlation_id,
        d.traceparent
)
SELECT
    coalesce(c.id, '00000000-0000-0000-0000-000000000000')::uuid AS id,
    ended.id AS notification_id,
    ended.event_id,
    ended.recipient_id,
    coalesce(c.channel, '')::text AS channel,
    coalesce(c.priority, '')::text AS priority,
    coalesce(c.state, '')::text AS state,
    coalesce(c.reason, '')::text AS reason,
    coalesce(c.rule, ended.rule)::text AS rule,
    c.correlation_id,
    c.traceparent,
    ended.clinic_id,
    ended.rule_version
FROM ended
LEFT JOIN changed AS c ON c.notification_id = ended.id
WHERE c.id IS NOT NULL
    OR ended.cut_off IS NULL;

-- name: NotificationHoldDefer :many
-- Ends the wait of notifications whose person may have quiet hours or a daily digest: the scheduler decides about their messages at
-- once. Returns each message, as NotificationHoldEnd does. Critical messages are never deferred.
WITH ended AS (
    UPDATE notifications AS n
    SET
        held_until = NULL,
        due_at = due_now()
    FROM (
        SELECT
            unnest(@ids::uuid[]) AS id,
            unnest(@event_positions::bigint[]) AS event_position
    ) AS asked
    WHERE n.id = asked.id
        AND n.event_position = asked.event_position
        AND n.priority <> 'critical'
        AND EXISTS (
            SELECT
            FROM deliveries AS d
            WHERE d.event_position = n.event_position
                AND d.recipient_id = n.recipient_id
                AND d.notification_id = n.id
                AND d.state = 'planned'
        )
        AND messages_may_wait(n.recipient_id, n.clinic_id)
    RETURNING
        n.id,
        n.event_position,
        n.recipient_id,
        n.event_id,
        n.clinic_id,
        n.rule_version
)
SELECT
    d.id,
    ended.id AS notification_id,
    ended.event_id,
    ended.recipient_id,
    d.channel,
    d.priority,
    d.state,
    d.reason,
    d.rule,
    d.correlation_id,
    d.traceparent,
    ended.clinic_id,
    ended.rule_version
FROM ended
JOIN deliveries AS d ON d.event_position = ended.event_position AND d.recipient_id = ended.recipient_id AND d.notification_id = ended.id
WHERE d.state = 'planned';
