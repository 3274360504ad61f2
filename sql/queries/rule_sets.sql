-- name: RuleSetLock :exec
-- Serializes publishers until the transaction ends: versions and the events that announce them have
-- the same order.
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
