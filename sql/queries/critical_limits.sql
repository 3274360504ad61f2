-- The clinics' own limits of critical results.

-- Returns the clinics' limits with the version of their set. A clinic without a set has version 0
-- and no row here; a clinic with an empty set has a row without a limit.
-- name: CriticalLimitList :many
SELECT
    s.clinic_id,
    s.version,
    l.code_system,
    l.code,
    l.unit,
    l.low,
    l.high,
    l.updated_at,
    l.updated_by
FROM critical_limit_sets AS s
LEFT JOIN critical_limits AS l ON l.clinic_id = s.clinic_id
WHERE s.clinic_id = ANY(@clinic_ids::uuid[])
ORDER BY s.clinic_id, l.code_system, l.code, l.unit;

-- Serializes changes of one clinic's limits at the row of the set, which is created if it is
-- missing.
-- name: CriticalLimitSetLock :exec
INSERT INTO critical_limit_sets (clinic_id, version, updated_at, updated_by)
VALUES (@clinic_id, 0, now(), @updated_by)
ON CONFLICT ON CONSTRAINT critical_limit_sets_pkey DO UPDATE
SET clinic_id = excluded.clinic_id;

-- The row is locked by CriticalLimitSetLock.
-- name: CriticalLimitSetAdvance :one
UPDATE critical_limit_sets
SET
    version = version + 1,
    updated_at = now(),
    updated_by = @updated_by
WHERE clinic_id = @clinic_id
RETURNING version;

-- Counts the clinic's limits for other codes and units.
-- name: CriticalLimitCountOthers :one
SELECT count(*)
FROM critical_limits
WHERE clinic_id = @clinic_id
    AND (code_system, code, unit) <> (@code_system::text, @code::text, @unit::text);

-- An identical limit is left unchanged and not returned.
-- name: CriticalLimitPut :one
INSERT INTO critical_limits (clinic_id, code_system, code, unit, low, high, updated_at, updated_by)
VALUES (@clinic_id, @code_system, @code, @unit, sqlc.narg('low'), sqlc.narg('high'), now(), @updated_by)
ON CONFLICT ON CONSTRAINT critical_limits_pkey DO UPDATE
SET
    low = excluded.low,
    high = excluded.high,
    updated_at = excluded.updated_at,
    updated_by = excluded.updated_by
WHERE (critical_limits.low, critical_limits.high) IS DISTINCT FROM (excluded.low, excluded.high)
RETURNING *;

-- name: CriticalLimitGet :one
SELECT *
FROM critical_limits
WHERE clinic_id = @clinic_id
    AND code_system = @code_system
    AND code = @code
    AND unit = @unit;

-- name: CriticalLimitDelete :execrows
DELETE FROM critical_limits
WHERE clinic_id = @clinic_id
    AND code_system = @code_system
    AND code = @code
    AND unit = @unit;
