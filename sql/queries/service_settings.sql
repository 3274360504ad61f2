-- What every instance on this database shares, and marks that outlive a process.

-- The value that stands there afterwards: the one given, or the one of whoever was first.
-- name: ServiceSettingEnsure :one
WITH made AS (
    INSERT INTO service_settings (name, value)
    VALUES (@name, @value)
    ON CONFLICT (name) DO NOTHING
    RETURNING value
)
SELECT value FROM made
UNION ALL
SELECT value FROM service_settings WHERE name = @name
LIMIT 1;

-- name: ServiceSettingGet :one
SELECT value
FROM service_settings
WHERE name = @name;

-- Whether anybody is registered: demo mode refuses a database that holds people it did not seed.
-- name: AnybodyRegistered :one
SELECT EXISTS (SELECT 1 FROM users);
