-- Explains the notifications of an event.

-- name: ExplainEvent :one
-- Returns the planner's progress for the event: rule_version is the set in force at the event, 0
-- for none; follower is the planner's position. An unreadable time is returned as the nearest
-- readable one.
SELECT
    e.position,
    e.event_id,
    e.type,
    e.subject,
    least(greatest(e.time, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00')::timestamptz AS time,
    e.imported,
    coalesce((SELECT f.position FROM followers AS f WHERE f.name = @follower), 0)::bigint AS planned_to,
    EXISTS (
        SELECT
        FROM follower_failures AS x
        WHERE x.follower = @follower
            AND x.position = e.position
            AND x.redriven_at IS NULL
    ) AS failed,
    coalesce((
        SELECT p.version
        FROM rule_publications AS p
        WHERE p.position < e.position
        ORDER BY p.position DESC
        LIMIT 1
    ), 0)::integer AS rule_version,
    coalesce((
        SELECT p.version
        FROM template_publications AS p
        WHERE p.position < e.position
        ORDER BY p.position DESC
        LIMIT 1
    ), 0)::integer AS template_version
FROM events AS e
WHERE e.event_id = @event_id;

-- name: EventIDAt :one
SELECT event_id
FROM events
WHERE position = @position;

-- name: ExplainDecisions :many
-- Returns each rule's result for each person and channel: deliveries in their current state, items of
-- digests, and decisions not to send. An item has the state digest while its digest is open, and then
-- that of the digest's delivery, which is not listed itself.
SELECT
    d.rule,
    n.rule_version,
    d.recipient_id::uuid AS recipient_id,
    d.channel,
    d.state,
    d.reason,
    d.notification_id,
    d.id AS delivery_id,
    d.attempt,
    coalesce(d.error_code, '')::text AS error_code,
    d.updated_at AS at
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position
WHERE d.event_position = @position
    AND NOT EXISTS (
        SELECT
        FROM digests AS own
        WHERE own.notification_id = d.notification_id
    )
UNION ALL
SELECT
    i.rule,
    n.rule_version,
    i.recipient_id,
    i.channel,
    CASE
        WHEN i.left_out IS NOT NULL THEN 'not_sent'
        WHEN d.id IS NOT NULL THEN d.state
        ELSE 'digest'
    END,
    coalesce(i.left_out, CASE WHEN d.state = 'suppressed' THEN d.reason END, i.reason),
    i.notification_id,
    CASE WHEN i.left_out IS NULL THEN coalesce(d.id, '00000000-0000-0000-0000-000000000000') ELSE '00000000-0000-0000-0000-000000000000' END::uuid,
    CASE WHEN i.left_out IS NULL THEN coalesce(d.attempt, 0) ELSE 0 END,
    CASE WHEN i.left_out IS NULL THEN coalesce(d.error_code, '') ELSE '' END,
    coalesce(d.updated_at, g.closed_at, i.added_at)
FROM digest_items AS i
JOIN digests AS g ON g.id = i.digest_id
JOIN notifications AS n ON n.event_position = i.event_position AND n.recipient_id = i.recipient_id AND n.id = i.notification_id
LEFT JOIN notifications AS sent ON sent.id = g.notification_id
LEFT JOIN deliveries AS d ON d.event_position = sent.event_position AND d.recipient_id = sent.recipient_id AND d.notification_id = sent.id
WHERE i.event_position = @position
UNION ALL
SELECT
    x.rule,
    x.rule_version,
    coalesce(x.recipient_id, '00000000-0000-0000-0000-000000000000')::uuid,
    coalesce(x.channel, ''),
    'not_sent',
    x.reason,
    '00000000-0000-0000-0000-000000000000'::uuid,
    '00000000-0000-0000-0000-000000000000'::uuid,
    0,
    '',
    x.decided_at
FROM decisions AS x
WHERE x.event_position = @position
ORDER BY 1, 3, 4;

-- name: PreferenceChanges :many
-- Returns the events that changed a person's preferences, up to a position, newest first.
SELECT
    e.position,
    e.data
FROM events AS e
WHERE e.person_id = @person_id::uuid
    AND e.position <= @position
    AND e.type = 'user.preference_changed'
ORDER BY e.position DESC
LIMIT @max_rows;
