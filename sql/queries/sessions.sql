-- Browser sessions and socket tickets. Only SHA-256 digests of the secrets are stored.

-- name: SessionInsert :exec
INSERT INTO web_sessions (digest, user_id, expires_at)
VALUES (@digest, @user_id, @expires_at);

-- name: SessionActor :one
SELECT
    s.expires_at,
    a.id,
    a.status,
    a.memberships
FROM web_sessions AS s
CROSS JOIN LATERAL actor_by_id(s.user_id) AS a
WHERE s.digest = @digest
    AND s.expires_at > now();

-- name: SessionDelete :exec
DELETE FROM web_sessions
WHERE digest = @digest;

-- name: SessionDeleteOfUser :exec
DELETE FROM web_sessions
WHERE user_id = @user_id;

-- name: TicketInsert :one
INSERT INTO socket_tickets (digest, user_id, expires_at, session_expires_at)
VALUES (@digest, @user_id, now() + make_interval(secs => @ttl_seconds::float8), @session_expires_at)
RETURNING expires_at;

-- A ticket is good once: whoever deletes its row has it. An expired one is deleted too, and answered as such.
-- name: TicketTake :one
WITH taken AS (
    DELETE FROM socket_tickets
    WHERE digest = @digest
    RETURNING user_id, expires_at, session_expires_at
)
SELECT
    (t.expires_at > now() AND t.session_expires_at > now())::boolean AS good,
    t.session_expires_at,
    a.id,
    a.status,
    a.memberships
FROM taken AS t
CROSS JOIN LATERAL actor_by_id(t.user_id) AS a;

-- name: TicketDeleteOfUser :exec
DELETE FROM socket_tickets
WHERE user_id = @user_id;

-- name: SessionDeleteExpired :execrows
DELETE FROM web_sessions
WHERE expires_at <= now();

-- name: TicketDeleteExpired :execrows
DELETE FROM socket_tickets
WHERE expires_at <= now();
