-- Lists of notifications, newest first. Each statement reads along one index. If it filters what it reads, it reads at most 1,000
-- rows, as the lists of deliveries do: the row at which it stopped is returned as last_read, also if it does not match. A page
-- continues below (@before_time, @before_id).

-- name: NotificationList :many
-- Everyone's; with a state or a channel only those with such a delivery.
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
    n.due_at,
    n.acknowledged_at,
    n.needs_acknowledgement,
    n.matches,
    (n.number = 1000)::boolean AS last_read
FROM (
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
        (
            (NOT @unread::boolean OR n.read_at IS NULL)
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
                    OFFSET 0
                )
            )
        )::boolean AS matches,
        row_number() OVER (ORDER BY n.created_at DESC, n.id DESC) AS number
    FROM notifications AS n
    WHERE n.created_at >= @created_from::timestamptz
        AND (n.created_at, n.id) < (@before_time::timestamptz, @before_id::uuid)
    ORDER BY n.created_at DESC, n.id DESC
    LIMIT 1000
) AS n
WHERE n.matches
    OR n.number = 1000
ORDER BY n.created_at DESC, n.id DESC
LIMIT @row_limit;

-- name: NotificationListToAcknowledge :many
-- Everyone's that still have to be acknowledged.
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
    n.due_at,
    n.acknowledged_at,
    n.needs_acknowledgement,
    n.matches,
    (n.number = 1000)::boolean AS last_read
FROM (
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
        (
            (NOT @unread::boolean OR n.read_at IS NULL)
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
                    OFFSET 0
                )
            )
        )::boolean AS matches,
        row_number() OVER (ORDER BY n.created_at DESC, n.id DESC) AS number
    FROM notifications AS n
    WHERE n.needs_acknowledgement
        AND n.acknowledged_at IS NULL
        AND n.created_at >= @created_from::timestamptz
        AND (n.created_at, n.id) < (@before_time::timestamptz, @before_id::uuid)
    ORDER BY n.created_at DESC, n.id DESC
    LIMIT 1000
) AS n
WHERE n.matches
    OR n.number = 1000
ORDER BY n.created_at DESC, n.id DESC
LIMIT @row_limit;

-- name: NotificationListOfRecipient :many
-- A person's; of those that are held only if asked for (with_held).
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
    n.due_at,
    n.acknowledged_at,
    n.needs_acknowledgement,
    n.matches,
    (n.number = 1000)::boolean AS last_read
FROM (
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
        (
            (@with_held::boolean OR n.held_until IS NULL)
            AND (NOT @unread::boolean OR n.read_at IS NULL)
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
                    OFFSET 0
                )
            )
        )::boolean AS matches,
        row_number() OVER (ORDER BY n.created_at DESC, n.id DESC) AS number
    FROM notifications AS n
    WHERE n.recipient_id = @recipient_id
        AND n.created_at >= @created_from::timestamptz
        AND (n.created_at, n.id) < (@before_time::timestamptz, @before_id::uuid)
    ORDER BY n.created_at DESC, n.id DESC
    LIMIT 1000
) AS n
WHERE n.matches
    OR n.number = 1000
ORDER BY n.created_at DESC, n.id DESC
LIMIT @row_limit;

-- name: NotificationListUnacknowledged :many
-- A person's that still have to be acknowledged, without held ones.
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
    true AS matches,
    false AS last_read
FROM notifications AS n
WHERE n.recipient_id = @recipient_id
    AND n.held_until IS NULL
    AND n.needs_acknowledgement
    AND n.acknowledged_at IS NULL
    AND (NOT @unread::boolean OR n.read_at IS NULL)
    AND (n.created_at, n.id) < (@before_time::timestamptz, @before_id::uuid)
ORDER BY n.created_at DESC, n.id DESC
LIMIT @row_limit;

-- name: NotificationListInState :many
-- Everyone's with a delivery in the state, any but sent, and on the channel if one is named, by planning time of the last such
-- delivery. The cursor is that delivery's. Later deliveries are compared column by column: compared as rows, they would be read
-- from the index of the person's deliveries, of which there may be many later ones.
SELECT
    found.id,
    found.event_position,
    found.event_id,
    found.event_type,
    found.subject,
    found.recipient_id,
    found.clinic_id,
    found.category,
    found.priority,
    found.rule,
    found.created_at,
    found.read_at,
    found.plan_key,
    found.due_at,
    found.acknowledged_at,
    found.needs_acknowledgement,
    found.mark_time,
    found.mark_id,
    found.matches,
    found.last_read
FROM (
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
        d.id AS mark_id,
        (
            d.chosen
            AND (NOT @unread::boolean OR n.read_at IS NULL)
            AND (NOT @unacknowledged::boolean OR (n.needs_acknowledgement AND n.acknowledged_at IS NULL))
            AND n.created_at >= @created_from::timestamptz
            AND n.created_at < @created_before::timestamptz
            AND NOT EXISTS (
                SELECT
                FROM deliveries AS later
                WHERE later.event_position = d.event_position
                    AND later.recipient_id = d.recipient_id
                    AND later.notification_id = d.notification_id
                    AND (later.created_at > d.created_at OR (later.created_at = d.created_at AND later.id > d.id))
                    AND later.state = @state::text
                    AND (@channel::text = '' OR later.channel = @channel::text)
                OFFSET 0
            )
        )::boolean AS matches,
        (d.number = 1000)::boolean AS last_read
    FROM (
        SELECT
            d.id,
            d.event_position,
            d.notification_id,
            d.recipient_id,
            d.created_at,
            ((@channel::text = '' OR d.channel = @channel))::boolean AS chosen,
            row_number() OVER (ORDER BY d.created_at DESC, d.id DESC) AS number
        FROM deliveries AS d
        WHERE d.state = @state
            AND d.state <> 'sent'
            AND d.created_at >= @created_from::timestamptz
            AND (d.created_at, d.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY d.created_at DESC, d.id DESC
        LIMIT 1000
    ) AS d
    CROSS JOIN LATERAL (
        SELECT *
        FROM notifications AS o
        WHERE o.event_position = d.event_position
            AND o.id = d.notification_id
        OFFSET 0
    ) AS n
    WHERE d.chosen
        OR d.number = 1000
) AS found
WHERE found.matches
    OR found.last_read
ORDER BY found.mark_time DESC, found.mark_id DESC
LIMIT @row_limit;

-- name: NotificationListOfRecipientInState :many
-- NotificationListInState for one person.
SELECT
    found.id,
    found.event_position,
    found.event_id,
    found.event_type,
    found.subject,
    found.recipient_id,
    found.clinic_id,
    found.category,
    found.priority,
    found.rule,
    found.created_at,
    found.read_at,
    found.plan_key,
    found.due_at,
    found.acknowledged_at,
    found.needs_acknowledgement,
    found.mark_time,
    found.mark_id,
    found.matches,
    found.last_read
FROM (
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
        d.id AS mark_id,
        (
            d.chosen
            AND (NOT @unread::boolean OR n.read_at IS NULL)
            AND (NOT @unacknowledged::boolean OR (n.needs_acknowledgement AND n.acknowledged_at IS NULL))
            AND n.created_at >= @created_from::timestamptz
            AND n.created_at < @created_before::timestamptz
            AND NOT EXISTS (
                SELECT
                FROM deliveries AS later
                WHERE later.event_position = d.event_position
                    AND later.recipient_id = d.recipient_id
                    AND later.notification_id = d.notification_id
                    AND (later.created_at > d.created_at OR (later.created_at = d.created_at AND later.id > d.id))
                    AND later.state = @state::text
                    AND (@channel::text = '' OR later.channel = @channel::text)
                OFFSET 0
            )
        )::boolean AS matches,
        (d.number = 1000)::boolean AS last_read
    FROM (
        SELECT
            d.id,
            d.event_position,
            d.notification_id,
            d.recipient_id,
            d.created_at,
            (d.state = @state::text AND (@channel::text = '' OR d.channel = @channel))::boolean AS chosen,
            row_number() OVER (ORDER BY d.created_at DESC, d.id DESC) AS number
        FROM deliveries AS d
        WHERE d.recipient_id = @recipient_id
            AND d.created_at >= @created_from::timestamptz
            AND (d.created_at, d.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY d.created_at DESC, d.id DESC
        LIMIT 1000
    ) AS d
    CROSS JOIN LATERAL (
        SELECT *
        FROM notifications AS o
        WHERE o.event_position = d.event_position
            AND o.id = d.notification_id
        OFFSET 0
    ) AS n
    WHERE d.chosen
        OR d.number = 1000
) AS found
WHERE found.matches
    OR found.last_read
ORDER BY found.mark_time DESC, found.mark_id DESC
LIMIT @row_limit;

-- name: NotificationListPlans :many
-- A person's with a delivery that is planned, or was cancelled before its time, like NotificationListInState. Those that wait for a
-- clinician to see a critical finding are left out: their recipient must not learn of them.
SELECT
    found.id,
    found.event_position,
    found.event_id,
    found.event_type,
    found.subject,
    found.recipient_id,
    found.clinic_id,
    found.category,
    found.priority,
    found.rule,
    found.created_at,
    found.read_at,
    found.plan_key,
    found.due_at,
    found.acknowledged_at,
    found.needs_acknowledgement,
    found.mark_time,
    found.mark_id,
    found.matches,
    found.last_read
FROM (
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
        d.id AS mark_id,
        (
            (n.held_until IS NULL OR n.plan_key <> '')
            AND (NOT @unread::boolean OR n.read_at IS NULL)
            AND NOT EXISTS (
                SELECT
                FROM deliveries AS later
                WHERE later.event_position = d.event_position
                    AND later.recipient_id = d.recipient_id
                    AND later.notification_id = d.notification_id
                    AND (later.created_at > d.created_at OR (later.created_at = d.created_at AND later.id > d.id))
                    AND later.state = @state::text
                OFFSET 0
            )
        )::boolean AS matches,
        (d.number = 1000)::boolean AS last_read
    FROM (
        SELECT
            d.id,
            d.event_position,
            d.notification_id,
            d.recipient_id,
            d.created_at,
            row_number() OVER (ORDER BY d.created_at DESC, d.id DESC) AS number
        FROM deliveries AS d
        WHERE d.recipient_id = @recipient_id
            AND d.state = @state
            AND d.state IN ('planned', 'cancelled')
            AND (d.created_at, d.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY d.created_at DESC, d.id DESC
        LIMIT 1000
    ) AS d
    CROSS JOIN LATERAL (
        SELECT *
        FROM notifications AS o
        WHERE o.event_position = d.event_position
            AND o.id = d.notification_id
        OFFSET 0
    ) AS n
) AS found
WHERE found.matches
    OR found.last_read
ORDER BY found.mark_time DESC, found.mark_id DESC
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
