-- Metrics for operators. Read at each scrape, so each is an index lookup.

-- name: SpineState :one
SELECT
    coalesce((
        SELECT extract(epoch FROM clock_timestamp() - o.appended_at)
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

-- Outbox rows that the ledger refused and that wait for a redrive.
-- name: RejectedOpen :one
SELECT count(*)
FROM outbox_rejected
WHERE redriven_at IS NULL;

-- Returns the newest rule set, with the data to detect whether its source has changed since the
-- last check.
-- name: RuleSetNewest :one
SELECT
    version,
    md5(source)::text AS digest
FROM rule_sets
ORDER BY version DESC
LIMIT 1;

-- Deliveries that have not reached a final state.
-- name: DeliveriesOpen :many
SELECT
    channel,
    state,
    count(*) AS deliveries
FROM deliveries
WHERE state IN ('planned', 'queued', 'uncertain')
GROUP BY channel, state;

-- Unfinished River jobs, and the time for which the oldest has been available.
-- name: JobsOpen :many
SELECT
    queue,
    state::text AS state,
    count(*) AS jobs,
    greatest(0, coalesce(max(extract(epoch FROM clock_timestamp() - scheduled_at)) FILTER (WHERE state = 'available'), 0))::double precision
        AS oldest_available_seconds
FROM river.river_job
WHERE state IN ('available', 'running', 'retryable', 'scheduled')
GROUP BY queue, state;
