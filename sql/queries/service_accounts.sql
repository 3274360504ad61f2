-- The accounts of other systems, and which events were accepted from them.

-- An issuer's subject is one person or one service account. No row comes back when it is somebody's already.
-- name: ServiceAccountInsert :one
INSERT INTO service_accounts (id, clinic_id, name, issuer, subject, created_by)
SELECT
    @id,
    @clinic_id,
    @name,
    @issuer::text,
    @subject::text,
    @created_by
WHERE NOT person_signs_in(@issuer::text, @subject::text)
ON CONFLICT ON CONSTRAINT service_accounts_identity_key DO NOTHING
RETURNING *;

-- name: ServiceAccountByIdentity :one
SELECT *
FROM service_accounts
WHERE issuer = @issuer
    AND subject = @subject;

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

-- The accounts of the clinics in the order of their ids, after the last one of the page before.
-- name: ServiceAccountList :many
SELECT *
FROM service_accounts
WHERE clinic_id = ANY(@clinic_ids::uuid[])
    AND id > @after
ORDER BY id
LIMIT @row_limit;

-- In the order of the ids, so that two batches with the same events do not wait for each other. What was accepted before
-- is left as it is and not returned.
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
