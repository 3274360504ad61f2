-- name: NotificationListOfRecipient :many
-- A person's inbox, newest first. The page goes on below (@before_time, @before_id).
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
    read_at
FROM notifications
WHERE recipient_id = @recipient_id
    AND (NOT @unread::boolean OR read_at IS NULL)
    AND (created_at, id) < (@before_time::timestamptz, @before_id::uuid)
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- name: NotificationList :many
-- Everybody's, newest first, in the same order as an inbox; with a state or a channel only those that have such a delivery.
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
    read_at
FROM notifications AS n
WHERE (created_at, id) < (@before_time::timestamptz, @before_id::uuid)
    AND created_at >= @created_from::timestamptz
    AND created_at < @created_before::timestamptz
    AND (@recipient_id::uuid = '00000000-0000-0000-0000-000000000000' OR recipient_id = @recipient_id)
    AND (NOT @unread::boolean OR read_at IS NULL)
    AND (
        (@state::text = '' AND @channel::text = '')
        OR EXISTS (
            SELECT
            FROM deliveries AS d
            WHERE d.event_position = n.event_position
                AND d.recipient_id = n.recipient_id
                AND (@state = '' OR d.state = @state)
                AND (@channel = '' OR d.channel = @channel)
        )
    )
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- name: NotificationUnread :one
-- How many a person has not read, counted up to a limit.
SELECT count(*)
FROM (
    SELECT
    FROM notifications
    WHERE recipient_id = @recipient_id
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
    d.sent_at
FROM notifications AS n
JOIN deliveries AS d ON d.event_position = n.event_position AND d.recipient_id = n.recipient_id
WHERE n.id = ANY (@notification_ids::uuid[])
ORDER BY d.notification_id, d.created_at, d.id;

-- name: NotificationOfRecipient :one
SELECT
    event_type,
    subject,
    created_at
FROM notifications
WHERE id = @id
    AND recipient_id = @recipient_id;

-- name: NotificationMarkRead :one
-- The first mark stands. No row when the notification is somebody else's, or there is none.
UPDATE notifications
SET read_at = coalesce(read_at, now())
WHERE id = @id
    AND recipient_id = @recipient_id
RETURNING read_at;
