-- The position of each durable reader of the ledger, and its failures.

-- name: FollowerGet :one
SELECT position
FROM followers
WHERE name = @name;

-- name: FollowerInsert :exec
INSERT INTO followers (name, position)
VALUES (@name, @position)
ON CONFLICT (name) DO NOTHING;

-- Returns no row if another instance is working on it.
-- name: FollowerTake :one
SELECT position
FROM followers
WHERE name = @name
FOR UPDATE SKIP LOCKED;

-- Advances the cursor; the position may be the current one if only a part of the next event is
-- done.
-- name: FollowerAdvance :exec
UPDATE followers
SET position = @position,
    updated_at = now()
WHERE name = @name;

-- Checks deferred constraints now, while the event that violates one is known.
-- name: FollowerCheckConstraints :exec
SET CONSTRAINTS ALL IMMEDIATE;

-- An event can fail a second time only if the follower was set back.
-- name: FailureInsert :exec
INSERT INTO follower_failures (follower, position, event_id, error)
VALUES (@follower, @position, @event_id, @error)
ON CONFLICT (follower, position) DO UPDATE
SET error = excluded.error,
    attempts = follower_failures.attempts + 1,
    failed_at = now(),
    redriven_at = NULL;

-- Returns each follower with its distance from the ledger's end, the time that its first unhandled
-- event has been in the ledger, the time for which it has not advanced despite that event, and the
-- number of skipped events without a redrive.
-- name: FollowerList :many
SELECT
    f.name,
    f.position,
    greatest(head.position - f.position, 0)::bigint AS lag,
    f.updated_at,
    greatest(0, coalesce((
        SELECT extract(epoch FROM clock_timestamp() - e.recorded_at)
        FROM events AS e
        WHERE e.position > f.position
        ORDER BY e.position
        LIMIT 1
    ), 0))::double precision AS lag_seconds,
    greatest(0, coalesce((
        SELECT extract(epoch FROM clock_timestamp() - greatest(e.recorded_at, f.updated_at))
        FROM events AS e
        WHERE e.position > f.position
        ORDER BY e.position
        LIMIT 1
    ), 0))::double precision AS stalled_seconds,
    (
        SELECT count(*)
        FROM follower_failures AS w
        WHERE w.follower = f.name
            AND w.redriven_at IS NULL
    ) AS failures
FROM followers AS f
CROSS JOIN (
    SELECT coalesce((SELECT e.position FROM events AS e ORDER BY e.position DESC LIMIT 1), 0)::bigint AS position
) AS head
ORDER BY f.name;

-- Lists the failures of one follower, or of all if none is named. A page continues after a
-- position; a follower has at most one failure at each.
-- name: FailureList :many
SELECT *
FROM follower_failures
WHERE (@follower::text = '' OR follower = @follower)
    AND position > @after_position
    AND redriven_at IS NULL
ORDER BY position, follower
LIMIT @max_failures;

-- name: FailureTake :one
SELECT *
FROM follower_failures
WHERE follower = @follower
    AND position = @position
FOR UPDATE;

-- name: FailureRedriven :exec
UPDATE follower_failures
SET attempts = attempts + 1,
    redriven_at = now()
WHERE id = @id;

-- name: FailureAgain :exec
UPDATE follower_failures
SET error = @error,
    attempts = attempts + 1,
    failed_at = now()
WHERE id = @id
    AND redriven_at IS NULL;
