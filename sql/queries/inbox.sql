-- A person's inbox: their notifications that are not held.

-- name: InboxLock :exec
-- Serializes the changes of one person's inbox until the transaction ends, so that the counts of
-- each change include those of the earlier ones.
SELECT pg_advisory_xact_lock(hashtextextended(@lock_name::text, 0));

-- name: InboxCounts :batchone
-- Counts the newest unread notifications, up to a limit, and the unseen ones among them.
SELECT
    count(*) AS unread,
    (count(*) - count(newest.seen_at))::bigint AS unseen
FROM (
    SELECT n.seen_at
    FROM notifications AS n
    WHERE n.recipient_id = @recipient_id
        AND n.held_until IS NULL
        AND n.archived_at IS NULL
        AND n.read_at IS NULL
    ORDER BY n.created_at DESC, n.id DESC
    LIMIT @most
) AS newest;

-- name: InboxList :batchmany
-- Returns the inbox without its archive, newest first. A page continues below (@before_time,
-- @before_id). Each variant of this query has an index, of which it reads at most 1,000 rows, as the
-- lists of notifications do: the row at which it stopped is returned as last_read, also if it does
-- not match.
SELECT
    i.id,
    i.event_position,
    i.event_id,
    i.event_type,
    i.subject,
    i.clinic_id,
    i.category,
    i.priority,
    i.created_at,
    i.seen_at,
    i.read_at,
    i.archived_at,
    i.acknowledged_at,
    i.needs_acknowledgement,
    i.matches,
    (i.number = 1000)::boolean AS last_read
FROM (
    SELECT
        n.*,
        (
            (@category::text = '' OR n.category = @category)
            AND (@clinic_id::uuid = '00000000-0000-0000-0000-000000000000' OR n.clinic_id = @clinic_id)
        )::boolean AS matches,
        row_number() OVER (ORDER BY n.created_at DESC, n.id DESC) AS number
    FROM inbox_items AS n
    WHERE n.recipient_id = @recipient_id
        AND n.archived_at IS NULL
        AND n.held_until IS NULL
        AND (n.created_at, n.id) < (@before_time::timestamptz, @before_id::uuid)
    ORDER BY n.created_at DESC, n.id DESC
    LIMIT 1000
) AS i
WHERE i.matches
    OR i.number = 1000
ORDER BY i.created_at DESC, i.id DESC
LIMIT @row_limit;

-- name: InboxListUnread :batchmany
SELECT
    i.id,
    i.event_position,
    i.event_id,
    i.event_type,
    i.subject,
    i.clinic_id,
    i.category,
    i.priority,
    i.created_at,
    i.seen_at,
    i.read_at,
    i.archived_at,
    i.acknowledged_at,
    i.needs_acknowledgement,
    i.matches,
    (i.number = 1000)::boolean AS last_read
FROM (
    SELECT
        n.*,
        (
            (NOT @unseen::boolean OR n.seen_at IS NULL)
            AND (@category::text = '' OR n.category = @category)
            AND (@clinic_id::uuid = '00000000-0000-0000-0000-000000000000' OR n.clinic_id = @clinic_id)
        )::boolean AS matches,
        row_number() OVER (ORDER BY n.created_at DESC, n.id DESC) AS number
    FROM inbox_items AS n
    WHERE n.recipient_id = @recipient_id
        AND n.read_at IS NULL
        AND n.archived_at IS NULL
        AND n.held_until IS NULL
        AND (n.created_at, n.id) < (@before_time::timestamptz, @before_id::uuid)
    ORDER BY n.created_at DESC, n.id DESC
    LIMIT 1000
) AS i
WHERE i.matches
    OR i.number = 1000
ORDER BY i.created_at DESC, i.id DESC
LIMIT @row_limit;

-- name: InboxListArchived :batchmany
SELECT
    i.id,
    i.event_position,
    i.event_id,
    i.event_type,
    i.subject,
    i.clinic_id,
    i.category,
    i.priority,
    i.created_at,
    i.seen_at,
    i.read_at,
    i.archived_at,
    i.acknowledged_at,
    i.needs_acknowledgement,
    i.matches,
    (i.number = 1000)::boolean AS last_read
FROM (
    SELECT
        n.*,
        (
            (@category::text = '' OR n.category = @category)
            AND (@clinic_id::uuid = '00000000-0000-0000-0000-000000000000' OR n.clinic_id = @clinic_id)
        )::boolean AS matches,
        row_number() OVER (ORDER BY n.created_at DESC, n.id DESC) AS number
    FROM inbox_items AS n
    WHERE n.recipient_id = @recipient_id
        AND n.archived_at IS NOT NULL
        AND n.held_until IS NULL
        AND (n.created_at, n.id) < (@before_time::timestamptz, @before_id::uuid)
    ORDER BY n.created_at DESC, n.id DESC
    LIMIT 1000
) AS i
WHERE i.matches
    OR i.number = 1000
ORDER BY i.created_at DESC, i.id DESC
LIMIT @row_limit;

-- name: InboxListUnacknowledged :batchmany
-- Returns what still has to be acknowledged, also from the archive.
SELECT
    i.id,
    i.event_position,
    i.event_id,
    i.event_type,
    i.subject,
    i.clinic_id,
    i.category,
    i.priority,
    i.created_at,
    i.seen_at,
    i.read_at,
    i.archived_at,
    i.acknowledged_at,
    i.needs_acknowledgement,
    i.matches,
    (i.number = 1000)::boolean AS last_read
FROM (
    SELECT
        n.*,
        (
            (@category::text = '' OR n.category = @category)
            AND (@clinic_id::uuid = '00000000-0000-0000-0000-000000000000' OR n.clinic_id = @clinic_id)
        )::boolean AS matches,
        row_number() OVER (ORDER BY n.created_at DESC, n.id DESC) AS number
    FROM inbox_items AS n
    WHERE n.recipient_id = @recipient_id
        AND n.needs_acknowledgement
        AND n.acknowledged_at IS NULL
        AND n.held_until IS NULL
        AND (n.created_at, n.id) < (@before_time::timestamptz, @before_id::uuid)
    ORDER BY n.created_at DESC, n.id DESC
    LIMIT 1000
) AS i
WHERE i.matches
    OR i.number = 1000
ORDER BY i.created_at DESC, i.id DESC
LIMIT @row_limit;

-- name: InboxPosition :one
-- Returns where a notification of the person is in their inbox.
SELECT
    created_at,
    id
FROM notifications
WHERE id = @id
    AND recipient_id = @recipient_id
    AND held_until IS NULL;

-- name: InboxPositionAt :one
-- Returns where the last of the person's notifications of events up to a position is in their inbox.
SELECT
    created_at,
    id
FROM notifications
WHERE recipient_id = @recipient_id
    AND event_position <= @event_position
    AND held_until IS NULL
ORDER BY created_at DESC, id DESC
LIMIT 1;

-- name: InboxOf :many
-- Returns those of the person among these notifications.
SELECT
    id,
    event_position
FROM notifications
WHERE id = ANY (@ids::uuid[])
    AND recipient_id = @recipient_id
    AND held_until IS NULL;

-- name: InboxUnreadUpTo :many
-- Returns unread notifications of the person, from a place in the inbox downwards, and of these
-- only the unseen ones if unseen is true.
SELECT
    id,
    event_position
FROM notifications
WHERE recipient_id = @recipient_id
    AND read_at IS NULL
    AND archived_at IS NULL
    AND held_until IS NULL
    AND (NOT @unseen::boolean OR seen_at IS NULL)
    AND (created_at, id) <= (@to_time::timestamptz, @to_id::uuid)
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- name: InboxUpTo :many
-- Returns notifications in the inbox, from a place downwards, and of these only those that were read
-- if is_read is true.
SELECT
    id,
    event_position
FROM notifications
WHERE recipient_id = @recipient_id
    AND archived_at IS NULL
    AND held_until IS NULL
    AND (NOT @is_read::boolean OR read_at IS NOT NULL)
    AND (created_at, id) <= (@to_time::timestamptz, @to_id::uuid)
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- name: InboxArchivedUpTo :many
SELECT
    id,
    event_position
FROM notifications
WHERE recipient_id = @recipient_id
    AND archived_at IS NOT NULL
    AND held_until IS NULL
    AND (created_at, id) <= (@to_time::timestamptz, @to_id::uuid)
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- name: InboxMark :many
-- Marks notifications of the person and returns those that changed. The first time of each mark is
-- kept. What was read counts as seen, and stays seen when it becomes unread.
WITH asked AS (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@event_positions::bigint[]) AS event_position
)
UPDATE notifications AS n
SET
    seen_at = CASE WHEN @mark::text IN ('seen', 'read', 'unread') THEN coalesce(n.seen_at, n.read_at, now()) ELSE n.seen_at END,
    read_at = CASE @mark WHEN 'read' THEN now() WHEN 'unread' THEN NULL ELSE n.read_at END,
    archived_at = CASE @mark WHEN 'archive' THEN now() WHEN 'unarchive' THEN NULL ELSE n.archived_at END
FROM asked
WHERE n.id = asked.id
    AND n.event_position = asked.event_position
    AND n.recipient_id = @recipient_id
    AND n.held_until IS NULL
    AND CASE @mark
        WHEN 'seen' THEN n.seen_at IS NULL AND n.read_at IS NULL
        WHEN 'read' THEN n.read_at IS NULL
        WHEN 'unread' THEN n.read_at IS NOT NULL
        WHEN 'archive' THEN n.archived_at IS NULL
        WHEN 'unarchive' THEN n.archived_at IS NOT NULL
    END
RETURNING
    n.id,
    n.event_position,
    n.event_id,
    n.clinic_id;

-- name: InboxSettleRead :many
SELECT
    s.id::uuid AS id,
    s.notification_id::uuid AS notification_id,
    s.event_id::uuid AS event_id,
    coalesce(s.clinic_id, '00000000-0000-0000-0000-000000000000')::uuid AS clinic_id,
    s.channel::text AS channel,
    s.state::text AS state,
    s.attempt::integer AS attempt,
    coalesce(s.provider, '')::text AS provider,
    coalesce(s.provider_id, '')::text AS provider_id,
    s.possible_duplicate::boolean AS possible_duplicate
FROM inbox_settle_read(@ids::uuid[], @event_positions::bigint[]) AS s (id, notification_id, event_id, clinic_id, channel, state,
    attempt, provider, provider_id, possible_duplicate);

-- name: InboxAcknowledge :one
-- Acknowledges a notification of the person in the scope; no row if they have no such notification.
SELECT
    a.acknowledged_at::timestamptz AS acknowledged_at,
    a.changed::boolean AS changed,
    a.rule::text AS rule,
    a.event_id::uuid AS event_id,
    coalesce(a.clinic_id, '00000000-0000-0000-0000-000000000000')::uuid AS clinic_id,
    a.ended::integer AS ended
FROM inbox_acknowledge(@id, @event_position) AS a (acknowledged_at, changed, rule, event_id, clinic_id, ended);

-- name: DeliveryOpened :one
-- Returns the notification of a delivery, and records the first opening of its link.
SELECT
    o.notification_id::uuid AS notification_id,
    o.first::boolean AS first
FROM delivery_opened(@id, @count) AS o (notification_id, first);
