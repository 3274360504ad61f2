-- The digests that are due: messages to a person on a channel that were collected, and are sent as one.

-- name: DigestNextDue :one
-- Returns the seconds until the first digest is due; no row if none is open.
SELECT extract(epoch FROM g.due_at - due_now())::double precision AS seconds
FROM digests AS g
WHERE g.closed_at IS NULL
ORDER BY g.due_at
LIMIT 1;

-- name: DigestTakeDue :many
-- Locks the digests that are due, longest due first, except those that another transaction has locked: that of another instance, or
-- of a planner that is adding items.
SELECT
    g.id,
    g.recipient_id,
    g.clinic_id,
    g.channel,
    g.category,
    g.priority,
    g.items
FROM digests AS g
WHERE g.closed_at IS NULL
    AND g.due_at <= due_now()
ORDER BY g.due_at
LIMIT @max_rows
FOR UPDATE SKIP LOCKED;

-- name: DigestPostponeFirst :exec
-- Delays the digest that has been due longest.
UPDATE digests AS g
SET due_at = due_now() + make_interval(secs => @seconds::double precision)
FROM (
    SELECT f.id
    FROM digests AS f
    WHERE f.closed_at IS NULL
        AND f.due_at <= due_now()
    ORDER BY f.due_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS first
WHERE g.id = first.id;

-- name: DigestPostponeMany :exec
UPDATE digests AS g
SET due_at = r.due_at
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@due_ats::timestamptz[]) AS due_at
) AS r
WHERE g.id = r.id
    AND g.closed_at IS NULL;

-- name: DigestItemList :many
-- Returns the items of digests in the order of their events. left_out is why an item must not be sent any more, or empty. The
-- digests are locked, so that no item is added meanwhile.
SELECT
    i.digest_id,
    i.notification_id,
    i.event_position,
    i.rule,
    i.template_version,
    coalesce(n.rule_version, 0)::integer AS rule_version,
    CASE
        WHEN n.id IS NULL THEN 'no_event'
        WHEN cutoff.version IS NOT NULL THEN 'cut_off:' || cutoff.cause_type
        WHEN n.read_at IS NOT NULL THEN 'read_in_app'
        ELSE ''
    END::text AS left_out
FROM digest_items AS i
LEFT JOIN notifications AS n
    ON n.event_position = i.event_position AND n.recipient_id = i.recipient_id AND n.id = i.notification_id
LEFT JOIN subject_cutoffs AS cutoff
    ON cutoff.subject = n.subject AND cutoff.recipient_id IN ('00000000-0000-0000-0000-000000000000', n.recipient_id) AND cutoff.version > n.subject_version
WHERE i.digest_id = ANY (@digest_ids::uuid[])
ORDER BY
    i.digest_id,
    i.event_position,
    i.added_at,
    i.notification_id;

-- name: DigestItemLeaveOutMany :exec
UPDATE digest_items AS i
SET left_out = r.left_out
FROM (
    SELECT
        unnest(@notification_ids::uuid[]) AS notification_id,
        unnest(@channels::text[]) AS channel,
        unnest(@left_outs::text[]) AS left_out
) AS r
WHERE i.notification_id = r.notification_id
    AND i.channel = r.channel;

-- name: DigestCloseMany :exec
-- notification_ids has the zero id for digests of which nothing is sent.
UPDATE digests AS g
SET
    closed_at = coalesce(g.closed_at, due_now()),
    notification_id = nullif(r.notification_id, '00000000-0000-0000-0000-000000000000')
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@notification_ids::uuid[]) AS notification_id
) AS r
WHERE g.id = r.id;

-- name: DigestContents :many
-- Returns how many items of each event type are in the message of a digest; none that became untrue since it was closed.
SELECT
    n.event_type,
    count(*)::integer AS items
FROM digests AS g
JOIN digest_items AS i ON i.digest_id = g.id
JOIN notifications AS n
    ON n.event_position = i.event_position AND n.recipient_id = i.recipient_id AND n.id = i.notification_id
WHERE g.notification_id = @notification_id::uuid
    AND i.left_out IS NULL
    AND NOT EXISTS (
        SELECT
        FROM subject_cutoffs AS cutoff
        WHERE cutoff.subject = n.subject
            AND cutoff.recipient_id IN ('00000000-0000-0000-0000-000000000000', n.recipient_id)
            AND cutoff.version > n.subject_version
    )
GROUP BY n.event_type;

-- name: DigestSplit :exec
-- Moves the first items of an open digest, which is locked, into a closed one of their own, so that a transaction handles a bounded
-- number of them.
WITH part AS (
    INSERT INTO digests (id, recipient_id, clinic_id, channel, key, category, priority, max_items, items, opened_at, due_at, closed_at)
    SELECT
        @part_id,
        g.recipient_id,
        g.clinic_id,
        g.channel,
        g.key,
        g.category,
        g.priority,
        g.max_items,
        @items::integer,
        g.opened_at,
        g.due_at,
        due_now()
    FROM digests AS g
    WHERE g.id = @id
), moved AS (
    UPDATE digest_items AS i
    SET digest_id = @part_id
    FROM (
        SELECT
            f.notification_id,
            f.channel
        FROM digest_items AS f
        WHERE f.digest_id = @id
        ORDER BY
            f.digest_id,
            f.added_at
        LIMIT @items::integer
    ) AS first
    WHERE i.notification_id = first.notification_id
        AND i.channel = first.channel
)
UPDATE digests AS g
SET items = g.items - @items::integer
WHERE g.id = @id;
