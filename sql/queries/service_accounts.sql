-- The accounts of other systems, and the events accepted from them.

-- The account waits for its client; without a code it is active at once. Returns no row if the
-- clinic already has an account of the client; accounts of other clinics are not disclosed.
-- name: ServiceAccountInsert :one
INSERT INTO service_accounts (id, clinic_id, name, issuer, subject, status, activated_at, created_by, activation_digest, activation_expires_at)
SELECT
    @id,
    @clinic_id,
    @name,
    @issuer::text,
    @subject::text,
    CASE WHEN c.digest IS NULL THEN 'active' ELSE 'pending' END,
    CASE WHEN c.digest IS NULL THEN now() END,
    @created_by,
    c.digest,
    CASE WHEN c.digest IS NOT NULL THEN now() + make_interval(secs => @ttl_seconds::float8) END
FROM (SELECT sqlc.narg(activation_digest)::bytea AS digest) AS c
ON CONFLICT ON CONSTRAINT service_accounts_client_key DO NOTHING
RETURNING *;

-- name: ServiceAccountOfClient :one
SELECT *
FROM service_accounts
WHERE clinic_id = @clinic_id
    AND issuer = @issuer
    AND subject = @subject;

-- Returns the account of a code, locked.
-- name: ServiceAccountByCode :one
SELECT
    sqlc.embed(a),
    (a.activation_expires_at <= now())::boolean AS expired
FROM service_accounts AS a
WHERE a.activation_digest = @digest
FOR UPDATE;

-- name: ServiceAccountActivate :one
UPDATE service_accounts
SET
    version = version + 1,
    status = 'active',
    activated_at = now()
WHERE id = @id
RETURNING *;

-- name: ServiceAccountCode :one
UPDATE service_accounts
SET
    version = version + 1,
    activation_digest = @activation_digest,
    activation_expires_at = now() + make_interval(secs => @ttl_seconds::float8)
WHERE id = @id
RETURNING *;

-- Reports whether a sign-in with this verified address would be linked to a person.
-- name: AddressLinkable :one
SELECT (linkable(@issuer::text, @subject::text, @emails::text[]) IS NOT NULL)::boolean AS linkable;

-- name: ServiceAccountGet :one
SELECT *
FROM service_accounts
WHERE id = @id;

-- name: ServiceAccountLock :one
SELECT *
FROM service_accounts
WHERE id = @id
FOR UPDATE;

-- name: ServiceAccountUpdate :one
UPDATE service_accounts
SET
    version = version + 1,
    name = @name,
    status = @status::text,
    disabled_at = CASE WHEN @status::text = 'disabled' THEN coalesce(disabled_at, now()) END
WHERE id = @id
RETURNING *;

-- Returns the accounts of the clinics in the order of their ids, after the last one of the previous
-- page.
-- name: ServiceAccountList :many
SELECT *
FROM service_accounts
WHERE clinic_id = ANY(@clinic_ids::uuid[])
    AND id > @after
ORDER BY id
LIMIT @row_limit;

-- Inserts in the order of the ids, so that two batches with the same events cannot deadlock. Events
-- accepted before are left unchanged and not returned.
-- name: AcceptedEventInsertMany :many
INSERT INTO accepted_events (event_id, service_account_id, digest)
SELECT
    given.event_id,
    @service_account_id::uuid,
    given.digest
FROM (
    SELECT
        unnest(@event_ids::uuid[]) AS event_id,
        unnest(@digests::bytea[]) AS digest
) AS given
ORDER BY given.event_id
ON CONFLICT ON CONSTRAINT accepted_events_pkey DO NOTHING
RETURNING event_id;

-- name: AcceptedEventList :many
SELECT *
FROM accepted_events
WHERE event_id = ANY(@event_ids::uuid[]);
