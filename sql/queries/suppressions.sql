-- Suppressions: addresses that get no more messages.

-- name: SuppressionRaise :many
-- Suppresses the addresses to which messages went: that of the receipt, if it named one, else the person's current one. Returns the
-- ids of the new ones; an address that is suppressed already keeps its reason.
INSERT INTO suppressions (kind, address_hash, id, channel, reason, source, user_id)
SELECT DISTINCT ON (a.kind, a.hash)
    a.kind,
    a.hash,
    a.id,
    a.channel,
    a.reason,
    a.source,
    a.user_id
FROM (
    SELECT
        s.kind,
        coalesce(
            (SELECT r.address_hash FROM receipts AS r WHERE r.id = s.receipt AND r.applied_at IS NULL),
            address_hash(s.kind, coalesce(nullif(s.address, ''), user_address(u, s.kind)))
        ) AS hash,
        s.id,
        s.channel,
        s.reason,
        s.source,
        s.user_id
    FROM (
        SELECT
            unnest(@kinds::text[]) AS kind,
            unnest(@ids::uuid[]) AS id,
            unnest(@channels::text[]) AS channel,
            unnest(@reasons::text[]) AS reason,
            unnest(@sources::text[]) AS source,
            unnest(@user_ids::uuid[]) AS user_id,
            unnest(@receipt_ids::uuid[]) AS receipt,
            unnest(@addresses::text[]) AS address
    ) AS s
    JOIN users AS u ON u.id = s.user_id
) AS a
WHERE a.hash IS NOT NULL
ORDER BY a.kind, a.hash, a.id
ON CONFLICT (kind, address_hash) DO NOTHING
RETURNING id;

-- name: SuppressionList :many
-- Last suppressed first, of at most 1,000 that are looked at, as in the lists of deliveries: the row at which it stopped is
-- returned as last_read, also if it does not match. A page continues below (@before_time, @before_id). It runs with
-- PlanForAnyValues.
SELECT
    s.id,
    s.channel,
    s.reason,
    s.source,
    s.user_id,
    s.created_at,
    s.matches,
    (s.number = 1000)::boolean AS last_read
FROM (
    SELECT
        o.id,
        o.channel,
        o.reason,
        o.source,
        o.user_id,
        o.created_at,
        (
            (@channel::text = '' OR o.channel = @channel)
            AND (@reason::text = '' OR o.reason = @reason)
        )::boolean AS matches,
        row_number() OVER (ORDER BY o.created_at DESC, o.id DESC) AS number
    FROM suppressions AS o
    WHERE (o.created_at, o.id) < (@before_time::timestamptz, @before_id::uuid)
    ORDER BY o.created_at DESC, o.id DESC
    LIMIT 1000
) AS s
WHERE s.matches
    OR s.number = 1000
ORDER BY s.created_at DESC, s.id DESC
LIMIT @max_rows;

-- name: SuppressionListOfPerson :many
-- The suppressions of the addresses that a person has now, and of those to which messages for them went.
SELECT
    s.id,
    s.channel,
    s.reason,
    s.source,
    s.user_id,
    s.created_at,
    true AS matches,
    false AS last_read
FROM suppressions AS s
WHERE s.id IN (
    SELECT o.id
    FROM suppressions AS o
    WHERE o.user_id = @user_id::uuid
    UNION
    SELECT o.id
    FROM users AS u
    CROSS JOIN unnest(ARRAY['email', 'phone', 'whatsapp']) AS k (kind)
    JOIN suppressions AS o ON o.kind = k.kind AND o.address_hash = address_hash(k.kind, user_address(u, k.kind))
    WHERE u.id = @user_id::uuid
)
    AND (s.created_at, s.id) < (@before_time::timestamptz, @before_id::uuid)
    AND (@channel::text = '' OR s.channel = @channel)
    AND (@reason::text = '' OR s.reason = @reason)
ORDER BY s.created_at DESC, s.id DESC
LIMIT @max_rows;

-- name: SuppressionMark :one
SELECT s.created_at
FROM suppressions AS s
WHERE s.id = @id;

-- name: SuppressionRemove :one
DELETE FROM suppressions
WHERE id = @id
RETURNING
    channel,
    reason,
    source,
    user_id;

-- name: AddressSuppression :one
-- Returns why the address gets no messages; empty if it does.
SELECT coalesce(address_suppression(@kind, @address), '')::text AS reason;

-- name: SuppressionLift :one
-- Removes the suppression of an address, and returns its reason; empty if there was none.
SELECT coalesce(lift_suppression(@kind, @address), '')::text AS reason;
