-- Receipts of the providers: stored once, and applied to their deliveries.

-- name: ReceiptInsert :many
-- Stores receipts, and returns the ids of those that are new. addresses are hashed and not stored.
INSERT INTO receipts (provider, receipt_id, id, channel, delivery_id, provider_id, status, code, suppression, address_hash, at)
SELECT
    r.provider,
    r.receipt_id,
    r.id,
    r.channel,
    nullif(r.delivery_id, '00000000-0000-0000-0000-000000000000'),
    r.provider_id,
    r.status,
    r.code,
    nullif(r.suppression, ''),
    CASE WHEN r.suppression <> '' AND r.address <> '' THEN address_hash(r.kind, r.address) END,
    r.at
FROM (
    SELECT
        unnest(@providers::text[]) AS provider,
        unnest(@receipt_ids::text[]) AS receipt_id,
        unnest(@ids::uuid[]) AS id,
        unnest(@channels::text[]) AS channel,
        unnest(@kinds::text[]) AS kind,
        unnest(@delivery_ids::uuid[]) AS delivery_id,
        unnest(@provider_ids::text[]) AS provider_id,
        unnest(@statuses::text[]) AS status,
        unnest(@codes::text[]) AS code,
        unnest(@suppressions::text[]) AS suppression,
        unnest(@addresses::text[]) AS address,
        unnest(@ats::timestamptz[]) AS at
) AS r
ORDER BY r.provider, r.receipt_id
ON CONFLICT (provider, receipt_id) DO NOTHING
RETURNING id;

-- name: ReceiptLock :many
-- Locks those of the receipts that are not applied yet, and returns each with its delivery on its channel: the one that it names, or
-- the last one with the provider's id of the message; a zero id if there is none yet.
SELECT
    r.id,
    r.provider,
    r.channel,
    r.provider_id,
    r.status,
    r.code,
    coalesce(r.suppression, '')::text AS suppression,
    coalesce(
        (SELECT d.id FROM deliveries AS d WHERE d.id = r.delivery_id AND d.channel = r.channel),
        (
            SELECT d.id
            FROM deliveries AS d
            WHERE d.provider_id = r.provider_id
                AND d.provider_id <> ''
                AND d.channel = r.channel
            ORDER BY d.created_at DESC
            LIMIT 1
        ),
        '00000000-0000-0000-0000-000000000000'
    )::uuid AS delivery
FROM receipts AS r
WHERE r.id = ANY(@ids::uuid[])
    AND r.applied_at IS NULL
ORDER BY r.id
FOR UPDATE OF r;

-- name: ReceiptDelivery :many
-- Locks deliveries in the order of their ids. in_flight reports that a call of the provider began less than stale_seconds ago, and is
-- not settled.
SELECT
    d.id,
    d.notification_id,
    d.event_id,
    d.recipient_id,
    d.channel,
    d.state,
    d.rule,
    d.attempt,
    d.fallback,
    d.possible_duplicate,
    coalesce(d.provider, '')::text AS provider,
    coalesce(d.provider_id, '')::text AS provider_id,
    d.correlation_id,
    d.traceparent,
    d.template_version,
    n.clinic_id,
    n.rule_version,
    (d.state = 'queued' AND coalesce(d.attempt_started_at >= now() - make_interval(secs => @stale_seconds), false))::boolean AS in_flight
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position
WHERE d.id = ANY(@ids::uuid[])
ORDER BY d.id
FOR UPDATE OF d;

-- name: ReceiptSettle :exec
-- Sets the states of locked deliveries. The provider and its id of the message are kept where they are known.
UPDATE deliveries AS d
SET
    state = s.state,
    attempt_started_at = NULL,
    deadline_at = NULL,
    provider = coalesce(d.provider, s.provider),
    provider_id = coalesce(d.provider_id, nullif(s.provider_id, '')),
    error_code = nullif(s.code, ''),
    sent_at = coalesce(d.sent_at, CASE WHEN s.state <> 'failed' THEN now() END),
    updated_at = now()
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@states::text[]) AS state,
        unnest(@providers::text[]) AS provider,
        unnest(@provider_ids::text[]) AS provider_id,
        unnest(@codes::text[]) AS code
) AS s
WHERE d.id = s.id;

-- name: ReceiptApplied :exec
UPDATE receipts
SET applied_at = now()
WHERE id = ANY(@ids::uuid[])
    AND applied_at IS NULL;

-- name: ReceiptWaiting :many
-- Returns receipts that wait for one of the deliveries, or for one of the providers' ids.
SELECT r.id
FROM receipts AS r
WHERE r.applied_at IS NULL
    AND r.delivery_id = ANY(@delivery_ids::uuid[])
UNION
SELECT r.id
FROM receipts AS r
WHERE r.applied_at IS NULL
    AND r.provider_id = ANY(@provider_ids::text[])
LIMIT 1000;

-- name: ReceiptWaitingPage :many
-- Returns the next receipts after an id that wait for their delivery.
SELECT r.id
FROM receipts AS r
WHERE r.applied_at IS NULL
    AND r.id > @after_id
ORDER BY r.id
LIMIT @max_rows;

-- name: ReceiptForget :execrows
-- Deletes receipts that came before a time: those that still wait for a delivery, and the others.
DELETE FROM receipts AS r
WHERE (r.provider, r.receipt_id) IN (
    SELECT
        o.provider,
        o.receipt_id
    FROM receipts AS o
    WHERE o.received_at < now() - make_interval(secs => @keep_seconds)
    ORDER BY o.received_at
    LIMIT @max_rows
);

-- name: ReceiptForgetWaiting :execrows
-- Deletes receipts that have waited for a delivery for too long. before_id is the smallest UUIDv7 of the time.
DELETE FROM receipts AS r
WHERE r.id IN (
    SELECT o.id
    FROM receipts AS o
    WHERE o.applied_at IS NULL
        AND o.id < @before_id
    ORDER BY o.id
    LIMIT @max_rows
)
    AND r.applied_at IS NULL;
