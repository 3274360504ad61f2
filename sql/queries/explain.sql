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
-- Returns each rule's result for each person and channel: deliveries in their current state, and
-- decisions not to send.
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
