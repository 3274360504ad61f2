-- Invoices, credit notes, payments and refunds. Writers lock the invoice's row first.

-- Issues an invoice if the person is or was a patient of the clinic; no row otherwise. A person who
-- was merged into another is not a patient any more.
-- name: InvoiceInsert :one
INSERT INTO invoices (id, version, clinic_id, patient_id, number, currency, status, total_minor, paid_minor, due_on,
    issued_at, created_at, created_by, updated_at, updated_by)
SELECT @id, 1, @clinic_id, @patient_id, sqlc.narg('number'), @currency, 'issued', @total_minor, 0, @due_on,
    now(), now(), @created_by, now(), @created_by
WHERE EXISTS (
    SELECT 1
    FROM memberships AS m
    JOIN users AS u ON u.id = m.user_id
    WHERE m.user_id = @patient_id
        AND m.clinic_id = @clinic_id::uuid
        AND m.role = 'patient'
        AND u.merged_into IS NULL
)
RETURNING *;

-- name: InvoiceLineInsert :exec
INSERT INTO invoice_lines (invoice_id, line, description, quantity, unit_minor, discount_bps, tax_bps, amount_minor, tax_minor)
SELECT
    unnest(@invoice_ids::uuid[]),
    unnest(@lines::integer[]),
    unnest(@descriptions::text[]),
    unnest(@quantities::integer[]),
    unnest(@units_minor::bigint[]),
    unnest(@discounts_bps::integer[]),
    unnest(@taxes_bps::integer[]),
    unnest(@amounts_minor::bigint[]),
    unnest(@taxes_minor::bigint[]);

-- name: InvoiceGet :one
SELECT *
FROM invoices
WHERE id = @id;

-- name: InvoiceLock :one
SELECT *
FROM invoices
WHERE id = @id
FOR UPDATE;

-- name: InvoiceLineList :many
SELECT *
FROM invoice_lines
WHERE invoice_id = ANY(@invoice_ids::uuid[])
ORDER BY invoice_id, line;

-- name: PaymentList :many
SELECT
    sqlc.embed(p),
    coalesce((
        SELECT sum(r.amount_minor)
        FROM refunds AS r
        WHERE r.payment_id = p.id
    ), 0)::bigint AS refunded_minor
FROM payments AS p
WHERE p.invoice_id = ANY(@invoice_ids::uuid[])
ORDER BY p.invoice_id, p.received_at, p.id;

-- name: PaymentGet :one
SELECT
    sqlc.embed(p),
    coalesce((
        SELECT sum(r.amount_minor)
        FROM refunds AS r
        WHERE r.payment_id = p.id
    ), 0)::bigint AS refunded_minor
FROM payments AS p
WHERE p.id = @id;

-- name: PaymentByReference :one
SELECT
    sqlc.embed(p),
    coalesce((
        SELECT sum(r.amount_minor)
        FROM refunds AS r
        WHERE r.payment_id = p.id
    ), 0)::bigint AS refunded_minor
FROM payments AS p
WHERE p.clinic_id = @clinic_id
    AND p.provider = @provider
    AND p.provider_reference = @provider_reference;

-- name: PaymentExists :one
SELECT EXISTS (
    SELECT 1
    FROM payments
    WHERE invoice_id = @invoice_id
);

-- name: PaymentInsert :one
INSERT INTO payments (id, invoice_id, clinic_id, amount_minor, provider, provider_reference, from_credit, received_at, received_by)
VALUES (@id, @invoice_id, @clinic_id, @amount_minor, @provider, @provider_reference, @from_credit, now(), @received_by)
RETURNING *;

-- name: RefundByReference :one
SELECT
    sqlc.embed(r),
    n.id AS credit_note_id
FROM refunds AS r
LEFT JOIN credit_notes AS n ON n.refund_id = r.id
WHERE r.clinic_id = @clinic_id
    AND r.provider = @provider
    AND r.provider_reference = @provider_reference;

-- name: RefundInsert :one
INSERT INTO refunds (id, payment_id, clinic_id, amount_minor, provider, provider_reference, reopened, made_at, made_by)
VALUES (@id, @payment_id, @clinic_id, @amount_minor, @provider, @provider_reference, @reopened::boolean, now(), @made_by)
RETURNING *;

-- Takes the lock for drawing on the patient's credit. CreditBalance is a separate statement, so
-- that it sees what others have drawn.
-- name: CreditLock :exec
SELECT credit_lock(@clinic_id, @patient_id, @currency);

-- name: CreditBalance :one
SELECT credit_balance(@clinic_id, @patient_id, @currency);

-- Takes the lock for numbering the clinic's credit notes, before CreditNoteInsert.
-- name: CreditNoteNumberLock :exec
SELECT pg_advisory_xact_lock(hashtextextended(concat('carewire credit notes ', @clinic_id::uuid), 0));

-- A note without a number gets the clinic's next one.
-- name: CreditNoteInsert :one
INSERT INTO credit_notes (id, invoice_id, invoice_version, clinic_id, sequence, number, reason, refund_id, total_minor, created_at, created_by)
SELECT
    @id,
    @invoice_id,
    @invoice_version,
    @clinic_id,
    CASE WHEN sqlc.narg('number')::text IS NULL THEN s.next END,
    coalesce(sqlc.narg('number')::text, 'CN-' || s.next),
    @reason,
    sqlc.narg('refund_id'),
    @total_minor,
    now(),
    @created_by
FROM (
    SELECT coalesce(max(sequence), 0) + 1 AS next
    FROM credit_notes
    WHERE clinic_id = @clinic_id
) AS s
RETURNING *;

-- name: CreditNoteLineInsert :exec
INSERT INTO credit_note_lines (credit_note_id, line, description, quantity, unit_minor, discount_bps, tax_bps, amount_minor, tax_minor)
SELECT
    @credit_note_id::uuid,
    unnest(@lines::integer[]),
    unnest(@descriptions::text[]),
    unnest(@quantities::integer[]),
    unnest(@units_minor::bigint[]),
    unnest(@discounts_bps::integer[]),
    unnest(@taxes_bps::integer[]),
    unnest(@amounts_minor::bigint[]),
    unnest(@taxes_minor::bigint[]);

-- name: CreditNoteList :many
SELECT *
FROM credit_notes
WHERE invoice_id = ANY(@invoice_ids::uuid[])
ORDER BY invoice_id, created_at, id;

-- name: CreditNoteLineList :many
SELECT l.*
FROM credit_note_lines AS l
JOIN credit_notes AS n ON n.id = l.credit_note_id
WHERE n.invoice_id = ANY(@invoice_ids::uuid[])
ORDER BY l.credit_note_id, l.line;

-- An invoice without a due balance is not overdue; InvoiceMarkOverdue decides whether it becomes
-- overdue again. Each event of the change gets a version.
-- name: InvoiceSettle :one
UPDATE invoices
SET
    version = version + @versions::bigint,
    status = @status,
    paid_minor = @paid_minor,
    excess_minor = @excess_minor,
    credited_minor = @credited_minor,
    overdue = overdue AND @status IN ('issued', 'partly_paid'),
    updated_at = now(),
    updated_by = @updated_by
WHERE id = @id
RETURNING *;

-- name: InvoiceTimeZone :one
SELECT time_zone
FROM clinics
WHERE id = @clinic_id;

-- name: InvoiceTimeZoneList :many
SELECT DISTINCT time_zone
FROM clinics;

-- Marks the invoices of the clinics in one time zone that were due before the current day there,
-- after skipping row_skip rows. Issued and partly paid are the statuses with a balance
-- (invoices_status_tells_paid). Locked invoices are left for the next run.
-- name: InvoiceMarkOverdue :many
WITH due AS (
    SELECT i.id
    FROM invoices AS i
    JOIN clinics AS c ON c.id = i.clinic_id
    WHERE i.due_on < @today::date
        AND NOT i.overdue
        AND i.status IN ('issued', 'partly_paid')
        AND c.time_zone = @time_zone
    ORDER BY i.due_on, i.id
    LIMIT @row_limit
    OFFSET @row_skip
    FOR UPDATE OF i SKIP LOCKED
)
UPDATE invoices
SET
    version = invoices.version + 1,
    overdue = true,
    updated_at = now(),
    updated_by = @updated_by
FROM due
WHERE invoices.id = due.id
RETURNING invoices.*;

-- Lists return only what the actor may see: their own, and those of the clinics where they hold a
-- role that handles invoices. There are several queries, so that each can use its index. A page
-- begins after (before_time, before_id).
-- An empty status matches any.
-- name: InvoiceListOfPatient :many
SELECT *
FROM invoices
WHERE patient_id = @patient_id
    AND (@any_clinic::boolean OR clinic_id = @clinic_id)
    AND (@status::text = '' OR status = @status)
    AND (NOT @only_overdue::boolean OR overdue)
    AND (created_at, id) < (@before_time::timestamptz, @before_id::uuid)
    AND ((@own::boolean AND patient_id = @actor_id) OR clinic_id = ANY(@clinics::uuid[]))
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- Reads the actor's own invoices and those of each clinic, or of one, in the order of their index, at
-- most one page of each.
-- name: InvoiceListVisible :many
WITH seen AS (
    (
        SELECT *
        FROM invoices AS i
        WHERE @own::boolean
            AND i.patient_id = @actor_id
            AND (@any_clinic::boolean OR i.clinic_id = @clinic_id)
            AND (NOT @only_overdue::boolean OR i.overdue)
            AND (i.created_at, i.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY i.created_at DESC, i.id DESC
        LIMIT @row_limit
    )
    UNION
    SELECT theirs.*
    FROM unnest(@clinics::uuid[]) AS c (id)
    CROSS JOIN LATERAL (
        SELECT *
        FROM invoices AS i
        WHERE i.clinic_id = c.id
            AND (@any_clinic OR c.id = @clinic_id)
            AND (NOT @only_overdue::boolean OR i.overdue)
            AND (i.created_at, i.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY i.created_at DESC, i.id DESC
        LIMIT @row_limit
    ) AS theirs
)
SELECT *
FROM seen
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- InvoiceListVisible for one status.
-- name: InvoiceListInStatus :many
WITH seen AS (
    (
        SELECT *
        FROM invoices AS i
        WHERE @own::boolean
            AND i.patient_id = @actor_id
            AND (@any_clinic::boolean OR i.clinic_id = @clinic_id)
            AND i.status = @status
            AND (i.created_at, i.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY i.created_at DESC, i.id DESC
        LIMIT @row_limit
    )
    UNION
    SELECT theirs.*
    FROM unnest(@clinics::uuid[]) AS c (id)
    CROSS JOIN LATERAL (
        SELECT *
        FROM invoices AS i
        WHERE i.clinic_id = c.id
            AND (@any_clinic OR c.id = @clinic_id)
            AND i.status = @status
            AND (i.created_at, i.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY i.created_at DESC, i.id DESC
        LIMIT @row_limit
    ) AS theirs
)
SELECT *
FROM seen
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- Reports whether the actor may list the patient's invoices if the list is empty: the person is or
-- was a patient there.
-- name: InvoiceListable :one
SELECT EXISTS (
    SELECT 1
    FROM memberships
    WHERE user_id = @patient_id
        AND role = 'patient'
        AND clinic_id = ANY(@clinics::uuid[])
);

-- name: StatementCurrencyList :many
SELECT DISTINCT currency
FROM invoices
WHERE patient_id = @patient_id
    AND clinic_id = @clinic_id
ORDER BY currency;

-- Reports whether the patient has an invoice at the clinic.
-- name: StatementKnown :one
SELECT EXISTS (
    SELECT 1
    FROM invoices
    WHERE patient_id = @patient_id
        AND clinic_id = @clinic_id
);

-- Returns the balance of the account before from_time and before until_time, and the entries between
-- these, each with the balance after it. A page begins after (after_time, after_id). All entries are read
-- for the balances, so that both are one statement. Without an entry on the page there is one row, whose
-- type is empty.
-- name: StatementRead :many
WITH entries AS MATERIALIZED (
    SELECT *
    FROM statement_entries AS e
    WHERE e.patient_id = @patient_id
        AND e.clinic_id = @clinic_id
        AND e.currency = @currency
), balances AS (
    SELECT
        coalesce(sum(e.amount_minor) FILTER (WHERE e.at < @from_time::timestamptz), 0)::bigint AS opening_minor,
        coalesce(sum(e.amount_minor) FILTER (WHERE e.at < @until_time::timestamptz), 0)::bigint AS closing_minor
    FROM entries AS e
), page AS (
    SELECT r.*
    FROM (
        SELECT
            e.*,
            sum(e.amount_minor) OVER (ORDER BY e.at, e.id, e.type ROWS UNBOUNDED PRECEDING)::bigint AS balance_minor
        FROM entries AS e
    ) AS r
    WHERE r.at >= @from_time
        AND r.at < @until_time
        AND (r.at, r.id) > (@after_time::timestamptz, @after_id::uuid)
    ORDER BY r.at, r.id, r.type
    LIMIT @row_limit
)
SELECT
    b.opening_minor::bigint AS opening_minor,
    b.closing_minor::bigint AS closing_minor,
    coalesce(p.at, '0001-01-01 00:00:00+00')::timestamptz AS at,
    coalesce(p.type, '')::text AS type,
    coalesce(p.id, '00000000-0000-0000-0000-000000000000')::uuid AS id,
    coalesce(p.invoice_id, '00000000-0000-0000-0000-000000000000')::uuid AS invoice_id,
    p.number,
    coalesce(p.amount_minor, 0)::bigint AS amount_minor,
    coalesce(p.balance_minor, 0)::bigint AS balance_minor
FROM balances AS b
LEFT JOIN page AS p ON true
ORDER BY p.at, p.id, p.type;
