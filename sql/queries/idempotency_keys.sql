-- The request of each client's key, and the resource that it created.

-- Of two concurrent requests with one key the second gets false at once instead of waiting. It is a
-- separate statement, so that IdempotencyKeyGet sees the data committed by the first.
-- name: IdempotencyKeyLock :batchone
SELECT pg_try_advisory_xact_lock(hashtextextended('idempotency ' || @actor_id::text || ' ' || @key::text, 0));

-- name: IdempotencyKeyGet :batchone
SELECT
    request_hash,
    subject,
    version
FROM idempotency_keys
WHERE actor_id = @actor_id
    AND key = @key
    AND created_at > now() - interval '24 hours';

-- Replaces an expired row of the same key.
-- name: IdempotencyKeyPut :exec
INSERT INTO idempotency_keys (actor_id, key, request_hash, subject, version)
VALUES (@actor_id, @key, @request_hash, @subject, sqlc.narg(version))
ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE
SET
    request_hash = excluded.request_hash,
    subject = excluded.subject,
    version = excluded.version,
    created_at = now();

-- name: IdempotencyKeyDeleteExpired :execrows
DELETE FROM idempotency_keys
WHERE created_at <= now() - interval '24 hours';
