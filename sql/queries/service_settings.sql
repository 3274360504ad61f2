-- Values shared by all instances on this database, and markers that outlive a process.

-- Returns the value stored afterwards: the given one, or that of the first writer.
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

-- Reports whether anybody is registered: demo mode refuses a database with people that it did not
-- seed.
-- name: AnybodyRegistered :one
SELECT EXISTS (SELECT 1 FROM users);
