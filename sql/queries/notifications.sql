-- name: NotificationListOfRecipient :many
-- Returns a person's inbox, newest first, without held notifications. A page continues below
-- (@before_time, @before_id).
SELECT
    id,
    event_position,
    event_id,
    event_type,
    subject,
    recipient_id,
    clinic_id,
    category,
    priority,
    rule,
    created_at,
    read_at,
    plan_key,
    coalesce(due_at, '0001-01-01 00:00:00+00')::timestamptz AS due_at,
    acknowledged_at,
    needs_acknowledgement
FROM notifications
WHERE recipient_id = @recipient_id
    AND held_until IS NULL
    AND (NOT @unread::boolean OR read_at IS NULL)
    AND (created_at, id) < (@before_time::timestamptz, @before_id::uuid)
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- name: NotificationListUnacknowledged :many
-- Returns those of a person's notifications that still have to be acknowledged, as NotificationListOfRecipient does.
SELECT
    id,
    event_position,
    event_id,
    event_type,
    subject,
    recipient_id,
    clinic_id,
    category,
    priority,
    rule,
    created_at,
    read_at,
    plan_key,
    coalesce(due_at, '0001-01-01 00:00:00+00')::timestamptz AS due_at,
    acknowledged_at,
    needs_acknowledgement
FROM notifications
WHERE recipient_id = @recipient_id
    AND held_until IS NULL
    AND needs_acknowledgement
    AND acknowledged_at IS NULL
    AND (NOT @unread::boolean OR read_at IS NULL)
    AND (created_at, id) < (@before_time::timestamptz, @before_id::uuid)
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- name: NotificationList :many
-- Returns everyone's notifications, newest first, in the order of an inbox; with a state or a
-- channel only those with such a delivery.
SELECT
    id,
    event_position,
    event_id,
    event_type,
    subject,
    recipient_id,
    clinic_id,
    category,
    priority,
    rule,
    created_at,
    read_at,
    plan_key,
    coalesce(due_at, '0001-01-01 00:00:00+00')::timestamptz AS due_at,
    acknowledged_at,
    needs_acknowledgement
FROM notifications AS n
WHERE (created_at, id) < (@before_time::timestamptz, @before_id::uuid)
    AND created_at >= @created_from::timestamptz
    AND created_at < @created_before::timestamptz
    AND (@recipient_id::uuid = '00000000-0000-0000-0000-000000000000' OR recipient_id = @recipient_id)
    AND (NOT @unread::boolean OR read_at IS NULL)
    AND (NOT @unacknowledged::boolean OR (n.needs_acknowledgement AND n.acknowledged_at IS NULL))
    AND (
        (@state::text = '' AND @channel::text = '')
        OR EXISTS (
            SELECT
            FROM deliveries AS d
            WHERE d.event_position = n.event_position
                AND d.recipient_id = n.recipient_id
                AND d.notification_id = n.id
                AND (@state = '' OR d.state = @state)
                AND (@channel = '' OR d.channel = @channel)
        )
    )
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- name: NotificationListInState :many
-- Returns notifications with a delivery in the state, any but sent, and on the channel if one is
-- named, by planning time of the last such delivery, newest first. The cursor is that delivery's; a
-- page continues below (@before_time, @before_id).
SELECT
    n.id,
    n.event_position,
    n.event_id,
    n.event_type,
    n.subject,
    n.recipient_id,
    n.clinic_id,
    n.category,
    n.priority,
    n.rule,
    n.created_at,
    n.read_at,
    n.plan_key,
    coalesce(n.due_at, '0001-01-01 00:00:00+00')::timestamptz AS due_at,
    n.acknowledged_at,
    n.needs_acknowledgement,
    d.created_at AS mark_time,
    d.id AS mark_id
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position
WHERE d.state = @state::text
    AND d.state <> 'sent'
    AND (@channel::text = '' OR d.channel = @channel)
    AND (@recipient_id::uuid = '00000000-0000-0000-0000-000000000000' OR d.recipient_id = @recipient_id)
    AND (NOT @unread::boolean OR n.read_at IS NULL)
    AND (NOT @unacknowledged::boolean OR (n.needs_acknowledgement AND n.acknowledged_at IS NULL))
    AND n.created_at >= @created_from::timestamptz
    AND n.created_at < @created_before::timestamptz
    AND d.created_at >= @created_from
    AND (d.created_at, d.id) < (@before_time::timestamptz, @before_id::uuid)
    AND NOT EXISTS (
        SELECT
        FROM deliveries AS later
        WHERE later.event_position = d.event_position
            AND later.recipient_id = d.recipient_id
            AND later.notification_id = d.notification_id
            AND (later.created_at, later.id) > (d.created_at, d.id)
            AND later.state = @state
            AND (@channel = '' OR later.channel = @channel)
    )
ORDER BY d.created_at DESC, d.id DESC
LIMIT @row_limit;

-- name: NotificationListOwnInState :many
-- NotificationListInState for one person, in any state. Those that wait for a clinician to see a critical finding are left out:
-- their recipient must not learn of them.
SELECT
    n.id,
    n.event_position,
    n.event_id,
    n.event_type,
    n.subject,
    n.recipient_id,
    n.clinic_id,
    n.category,
    n.priority,
    n.rule,
    n.created_at,
    n.read_at,
    n.plan_key,
    coalesce(n.due_at, '0001-01-01 00:00:00+00')::timestamptz AS due_at,
    n.acknowledged_at,
    n.needs_acknowledgement,
    d.created_at AS mark_time,
    d.id AS mark_id
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position
WHERE d.state = @state::text
    AND d.recipient_id = @recipient_id
    AND (n.held_until IS NULL OR n.plan_key <> '')
    AND (NOT @unread::boolean OR n.read_at IS NULL)
    AND (d.created_at, d.id) < (@before_time::timestamptz, @before_id::uuid)
    AND NOT EXISTS (
        SELECT
        FROM deliveries AS later
        WHERE later.event_position = d.event_position
            AND later.recipient_id = d.recipient_id
            AND later.notification_id = d.notification_id
            AND (later.created_at, later.id) > (d.created_at, d.id)
            AND later.state = @state
    )
ORDER BY d.created_at DESC, d.id DESC
LIMIT @row_limit;

-- name: NotificationUnread :one
-- Counts a person's unread notifications, up to a limit.
SELECT count(*)
FROM (
    SELECT
    FROM notifications
    WHERE recipient_id = @recipient_id
        AND held_until IS NULL
        AND archived_at IS NULL
        AND read_at IS NULL
    LIMIT @most
) AS unread;

-- name: NotificationDeliveries :many
SELECT
    d.id,
    d.notification_id,
    d.channel,
    d.state,
    d.reason,
    d.attempt,
    d.possible_duplicate,
    d.provider,
    d.error_code,
    d.created_at,
    d.updated_at,
    d.sent_at,
    d.not_before
FROM notifications AS n
JOIN deliveries AS d ON d.event_position = n.event_position AND d.recipient_id = n.recipient_id AND d.notification_id = n.id
WHERE n.id = ANY (@notification_ids::uuid[])
ORDER BY d.notification_id, d.created_at, d.id;

-- name: NotificationOfRecipient :one
-- The clinic is empty for a notification without one. It is acknowledged by another if that ended a step.
SELECT
    n.event_type,
    n.subject,
    n.created_at,
    n.acknowledged_at,
    n.needs_acknowledgement,
    EXISTS (
        SELECT
        FROM escalations AS e
        WHERE e.event_position = n.event_position
            AND e.outcome = 'acknowledged'
            AND e.done_by <> n.recipient_id
    ) AS acknowledged_by_another,
    n.plan_key,
    coalesce(c.name, '') AS clinic_name,
    coalesce(c.time_zone, '') AS clinic_zone
FROM notifications n
LEFT JOIN clinics c ON c.id = n.clinic_id
WHERE n.id = @id
    AND n.held_until IS NULL
    AND n.recipient_id = @recipient_id;
