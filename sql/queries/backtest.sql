-- Compares a draft of the rules with what was planned.

-- name: BacktestNotifications :many
-- Returns the notifications of the events in a part of the ledger, without those of digests and of steps of escalations, which
-- follow later from what the planner decided.
SELECT
    event_position,
    event_id,
    event_type,
    recipient_id,
    plan_key,
    rule,
    priority,
    template,
    created_at
FROM notifications
WHERE event_position >= @first_position
    AND event_position < @end_position
    AND plan_key !~ '^(digest/[0-9a-f-]{36}|escalation/[^/]+/[0-9]+)$'
ORDER BY event_position, recipient_id, plan_key
LIMIT @max_rows;

-- name: BacktestDeliveries :many
-- Returns the deliveries of the events in a part of the ledger, without those that replaced one that failed: the planner gives a
-- notification no delivery on a channel that it leaves as the fallback of another. A message in a digest has the state digest.
SELECT
    d.event_position,
    d.recipient_id,
    d.plan_key,
    d.channel,
    d.state,
    d.reason,
    d.rule,
    d.priority,
    d.template
FROM deliveries AS d
WHERE d.event_position >= @first_position
    AND d.event_position < @end_position
    AND (d.reason LIKE 'rule %' OR d.state = 'suppressed' OR NOT EXISTS (
        SELECT
        FROM deliveries AS other
        WHERE other.event_position = d.event_position
            AND other.recipient_id = d.recipient_id
            AND other.plan_key = d.plan_key
            AND d.channel = ANY(other.fallback)
    ))
    AND d.plan_key !~ '^(digest/[0-9a-f-]{36}|escalation/[^/]+/[0-9]+)$'
    AND NOT (d.state = 'cancelled' AND d.reason ~ '^(digest|throttled):')
UNION ALL
SELECT
    i.event_position,
    i.recipient_id,
    n.plan_key,
    i.channel,
    'digest',
    i.reason,
    i.rule,
    n.priority,
    n.template
FROM digest_items AS i
JOIN notifications AS n ON n.event_position = i.event_position AND n.recipient_id = i.recipient_id AND n.id = i.notification_id
WHERE i.event_position >= @first_position
    AND i.event_position < @end_position
ORDER BY 1, 2, 3, 4;

-- name: BacktestDecisions :many
-- Returns the decisions about these events that concern one person; channel is empty for every channel.
SELECT
    event_position,
    rule,
    recipient_id::uuid AS recipient_id,
    coalesce(channel, '')::text AS channel,
    reason
FROM decisions
WHERE event_position = ANY(@positions::bigint[])
    AND recipient_id IS NOT NULL
ORDER BY id;
