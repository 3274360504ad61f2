-- Browser sessions and socket tickets. Only SHA-256 digests of the secrets are stored.

-- name: SessionInsert :one
INSERT INTO web_sessions (digest, user_id, expires_at)
VALUES (@digest, @user_id, @expires_at)
RETURNING id;

-- Returns the person of a session, open or expired.
-- name: SessionUser :one
SELECT user_id
FROM web_sessions
WHERE digest = @digest;

-- name: SessionActor :one
SELECT
    s.id AS session_id,
    s.expires_at,
    a.id,
    a.status,
    a.memberships
FROM web_sessions AS s
CROSS JOIN LATERAL actor_by_id(s.user_id) AS a
WHERE s.digest = @digest
    AND s.expires_at > now();

-- name: SessionOpen :one
SELECT EXISTS (
    SELECT 1
    FROM web_sessions
    WHERE id = @id
        AND expires_at > now()
);

-- A caller that deletes sessions appends session.closed in the same transaction; their tickets are
-- deleted with them. Therefore these queries return the deleted rows.
-- name: SessionDelete :one
WITH gone AS (
    DELETE FROM web_sessions
    WHERE digest = @digest
    RETURNING id, user_id
)
SELECT
    g.id,
    g.user_id,
    a.memberships
FROM gone AS g
CROSS JOIN LATERAL actor_by_id(g.user_id) AS a;

-- name: SessionDeleteOfUser :many
DELETE FROM web_sessions
WHERE user_id = @user_id
RETURNING id;

-- A session gets tickets only while it is open: the foreign key refuses the ticket of one that has
-- ended meanwhile.
-- name: TicketInsert :one
INSERT INTO socket_tickets (digest, user_id, expires_at, session_expires_at, session_id)
VALUES (@digest, @user_id, now() + make_interval(secs => @ttl_seconds::float8), @session_expires_at, @session_id)
RETURNING expires_at;

-- A ticket is valid once: the caller that deletes its row has it. An expired one is deleted too,
-- and reported as expired.
-- name: TicketTake :one
WITH taken AS (
    DELETE FROM socket_tickets
    WHERE digest = @digest
    RETURNING user_id, expires_at, session_expires_at, session_id
)
SELECT
    (t.expires_at > now() AND t.session_expires_at > now())::boolean AS good,
    t.session_expires_at,
    t.session_id,
    a.id,
    a.status,
    a.memberships
FROM taken AS t
CROSS JOIN LATERAL actor_by_id(t.user_id) AS a;

-- name: TicketDeleteOfUser :exec
DELETE FROM socket_tickets
WHERE user_id = @user_id;

-- Oldest first, so that a sweep is bounded for any backlog.
-- name: SessionDeleteExpired :many
DELETE FROM web_sessions
WHERE digest = ANY (ARRAY(
    SELECT e.digest
    FROM web_sessions AS e
    WHERE e.expires_at <= now()
    ORDER BY e.expires_at
    LIMIT @max_sessions
))
RETURNING id, user_id;

-- name: TicketDeleteExpired :execrows
DELETE FROM socket_tickets
WHERE expires_at <= now();
