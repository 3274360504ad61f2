-- Invoices, payments and refunds. What writes locks the invoice's row first.

-- Issues an invoice where the patient is an active patient of the clinic; no row comes back where not.
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
        AND m.revoked_at IS NULL
        AND u.status = 'active'
)
RETURNING *;

-- The lines are numbered as they stand in the arrays.
-- name: InvoiceLineInsert :exec
INSERT INTO invoice_lines (invoice_id, line, description, quantity, unit_minor, amount_minor)
SELECT
    @invoice_id::uuid,
    l.line,
    l.description,
    l.quantity,
    l.unit_minor,
    l.quantity * l.unit_minor
FROM (
    SELECT
        unnest(@lines::integer[]) AS line,
        unnest(@descriptions::text[]) AS description,
        unnest(@quantities::integer[]) AS quantity,
        unnest(@units_minor::bigint[]) AS unit_minor
) AS l;

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
WHERE p.provider = @provider
    AND p.provider_reference = @provider_reference;

-- name: PaymentExists :one
SELECT EXISTS (
    SELECT 1
    FROM payments
    WHERE invoice_id = @invoice_id
);

-- name: PaymentInsert :one
INSERT INTO payments (id, invoice_id, amount_minor, provider, provider_reference, received_at, received_by)
VALUES (@id, @invoice_id, @amount_minor, @provider, @provider_reference, now(), @received_by)
RETURNING *;

-- name: RefundByReference :one
SELECT *
FROM refunds
WHERE provider = @provider
    AND provider_reference = @provider_reference;

-- name: RefundInsert :one
INSERT INTO refunds (id, payment_id, amount_minor, provider, provider_reference, made_at, made_by)
VALUES (@id, @payment_id, @amount_minor, @provider, @provider_reference, now(), @made_by)
RETURNING *;

-- What is owed no longer, or not for now, is not overdue: whether it is again is for InvoiceMarkOverdue to say.
-- name: InvoiceSettle :one
UPDATE invoices
SET
    version = version + 1,
    status = @status,
    paid_minor = @paid_minor,
    overdue = overdue AND @status IN ('issued', 'partly_paid'),
    updated_at = now(),
    updated_by = @updated_by
WHERE id = @id
RETURNING *;

-- name: InvoiceTimeZoneList :many
SELECT DISTINCT time_zone
FROM clinics;

-- Marks the invoices of one time zone's clinics that were due before today there, behind the first row_skip. Those that
-- somebody is just writing are left for the next time.
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

-- Lists show what the actor may see and nothing else: their own, and those of the clinics where they hold a role that
-- handles invoices. Three queries, so that each has the index that it needs. A page begins behind (before_time,
-- before_id); an empty status is any.
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

-- name: InvoiceListOfClinic :many
SELECT *
FROM invoices
WHERE clinic_id = @clinic_id
    AND (@status::text = '' OR status = @status)
    AND (NOT @only_overdue::boolean OR overdue)
    AND (created_at, id) < (@before_time::timestamptz, @before_id::uuid)
    AND ((@own::boolean AND patient_id = @actor_id) OR clinic_id = ANY(@clinics::uuid[]))
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- name: InvoiceListVisible :many
SELECT *
FROM invoices
WHERE (@status::text = '' OR status = @status)
    AND (NOT @only_overdue::boolean OR overdue)
    AND (created_at, id) < (@before_time::timestamptz, @before_id::uuid)
    AND ((@own::boolean AND patient_id = @actor_id) OR clinic_id = ANY(@clinics::uuid[]))
ORDER BY created_at DESC, id DESC
LIMIT @row_limit;

-- Whether a list of the patient's invoices that shows nothing was one that the actor may ask for.
-- name: InvoiceListable :one
SELECT EXISTS (
    SELECT 1
    FROM memberships
    WHERE user_id = @patient_id
        AND role = 'patient'
        AND revoked_at IS NULL
        AND clinic_id = ANY(@clinics::uuid[])
);
