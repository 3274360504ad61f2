-- From which values on a result is critical, as the clinics say.

-- The clinics' limits with the version of the set that they are. A clinic without a set has version 0, and no row here; one
-- whose set is empty has a row without a limit.
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

-- Changes of one clinic's limits wait for each other at the set's row, which is made where there is none.
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

-- How many limits the clinic has for other codes and units.
-- name: CriticalLimitCountOthers :one
SELECT count(*)
FROM critical_limits
WHERE clinic_id = @clinic_id
    AND (code_system, code, unit) <> (@code_system::text, @code::text, @unit::text);

-- A limit that says the same already is left as it is, and not returned.
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
