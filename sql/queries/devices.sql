-- The devices that receive a person's push messages.

-- Serializes registrations of one token, also while it has no row.
-- name: DeviceTokenLock :exec
SELECT pg_advisory_xact_lock(hashtextextended(@token::text, 0));

-- Removes the token from its previous owner.
-- name: DeviceRelease :many
SELECT
    r.id::uuid AS id,
    r.user_id::uuid AS user_id,
    r.platform::text AS platform
FROM device_release(@token::text, @user_id::uuid) AS r;

-- name: DeviceInsert :one
INSERT INTO devices (id, user_id, platform, token)
VALUES (@id, @user_id, @platform, @token)
RETURNING *;

-- Keeps the most recently seen devices, in addition to the one just registered.
-- name: DeviceEvict :many
DELETE FROM devices
WHERE id IN (
    SELECT d.id
    FROM devices AS d
    WHERE d.user_id = @user_id
        AND d.id <> @id
    ORDER BY d.last_seen_at DESC, d.id DESC
    OFFSET @keep
)
RETURNING *;

-- name: DeviceSeen :one
UPDATE devices
SET
    platform = @platform,
    last_seen_at = now()
WHERE token = @token
    AND user_id = @user_id
RETURNING *;

-- name: DeviceListOfUser :many
SELECT *
FROM devices
WHERE user_id = @user_id
ORDER BY created_at, id;

-- name: DeviceDelete :one
DELETE FROM devices
WHERE id = @id
    AND user_id = @user_id
RETURNING *;
