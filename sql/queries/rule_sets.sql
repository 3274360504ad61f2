-- name: RuleSetLock :exec
-- Serializes the publishers of rules and of templates until the transaction ends: versions and the
-- events that announce them have the same order, and each set is checked against the newest of the
-- other kind.
SELECT pg_advisory_xact_lock(hashtextextended('carewire.rule_sets', 0));

-- name: RuleSetCurrent :one
SELECT
    version,
    checksum
FROM rule_sets
ORDER BY version DESC
LIMIT 1;

-- name: RuleSetInsert :exec
INSERT INTO rule_sets (version, source, checksum, note, published_by)
VALUES (@version, @source, @checksum, @note, @published_by);

-- name: RuleSetSources :many
SELECT
    version,
    source
FROM rule_sets
WHERE version = ANY(@versions::integer[]);

-- name: RuleSetList :many
-- Newest first; position is 0 while the planner has not passed the version's event.
SELECT
    s.version,
    s.note,
    s.published_by,
    s.published_at,
    coalesce(min(p.position), 0)::bigint AS position
FROM rule_sets AS s
LEFT JOIN rule_publications AS p ON p.version = s.version
WHERE s.version < @before_version
GROUP BY s.version
ORDER BY s.version DESC
LIMIT @max_rows;

-- name: RuleSetGet :one
SELECT
    s.version,
    s.source,
    s.note,
    s.published_by,
    s.published_at,
    coalesce((SELECT min(p.position) FROM rule_publications AS p WHERE p.version = s.version), 0)::bigint AS position
FROM rule_sets AS s
WHERE s.version = @version;

-- name: RulePublicationBefore :one
-- Returns the version in force for the event at the position: an announcement takes effect with the
-- next event.
SELECT version
FROM rule_publications
WHERE position < @position
ORDER BY position DESC
LIMIT 1;

-- name: RulePublicationInsert :exec
INSERT INTO rule_publications (position, version)
SELECT
    unnest(@positions::bigint[]),
    unnest(@versions::integer[])
ON CONFLICT DO NOTHING;

-- name: RuleFailureCount :exec
-- Adds to the numbers of failed conditions. The rows are in the order of the key, so that two
-- transactions cannot deadlock.
INSERT INTO rule_failures (version, rule, condition, cause, failures, last_position)
SELECT
    unnest(@versions::integer[]),
    unnest(@rules::text[]),
    unnest(@conditions::text[]),
    unnest(@causes::text[]),
    unnest(@failures::bigint[]),
    unnest(@last_positions::bigint[])
ON CONFLICT (version, rule, condition, cause) DO UPDATE
SET
    failures = rule_failures.failures + excluded.failures,
    last_failed_at = excluded.last_failed_at,
    last_position = greatest(rule_failures.last_position, excluded.last_position);

-- name: RuleFailureTotals :many
SELECT
    version,
    sum(failures)::bigint AS failures
FROM rule_failures
WHERE version = ANY(@versions::integer[])
GROUP BY version;

-- name: RuleFailureList :many
-- The failed conditions of a version, the last one first.
SELECT
    rule,
    condition,
    cause,
    failures,
    first_failed_at,
    last_failed_at,
    last_position
FROM rule_failures
WHERE version = @version
ORDER BY last_failed_at DESC, rule, condition, cause
LIMIT @max_rows;
