-- What operators watch. Read at each scrape, so each is an index look-up.

-- name: SpineState :one
SELECT
    coalesce((
        SELECT extract(epoch FROM clock_timestamp() - o.time)
        FROM outbox AS o
        ORDER BY o.id
        LIMIT 1
    ), 0)::double precision AS oldest_unsequenced_seconds,
    coalesce((
        SELECT e.position
        FROM events AS e
        ORDER BY e.position DESC
        LIMIT 1
    ), 0)::bigint AS head,
    clock_timestamp()::timestamptz AS database_time;

-- name: FollowerPositions :many
SELECT
    name,
    position
FROM followers;

-- Deliveries that have not reached a final state.
-- name: DeliveriesOpen :many
SELECT
    channel,
    state,
    count(*) AS deliveries
FROM deliveries
WHERE state IN ('planned', 'queued', 'uncertain')
GROUP BY channel, state;
