-- What is owed on an invoice is its total less its credit notes less what was paid on it. Until now a refund could only make
-- an invoice owed again, and money above the total could not be recorded. An invoice that a refund of before made owed
-- again stays so: whether it still is, is the clinic's to say with a credit note.
-- +goose Up
SET lock_timeout = '5s';

-- credited_minor is the sum of the credit notes. paid_minor is what was paid of the rest; excess_minor is the other part of
-- payments less refunds: more than was owed, and so the patient's credit at the clinic in the currency.
ALTER TABLE invoices ADD COLUMN credited_minor bigint NOT NULL DEFAULT 0;
ALTER TABLE invoices ADD COLUMN excess_minor bigint NOT NULL DEFAULT 0;
ALTER TABLE invoices DROP CONSTRAINT invoices_status_known;
ALTER TABLE invoices ADD CONSTRAINT invoices_status_known
    CHECK (status IN ('draft', 'issued', 'partly_paid', 'paid', 'credited', 'void')) NOT VALID;
ALTER TABLE invoices DROP CONSTRAINT invoices_never_overpaid;
ALTER TABLE invoices ADD CONSTRAINT invoices_balance_not_negative
    CHECK (credited_minor >= 0 AND paid_minor >= 0 AND credited_minor + paid_minor <= total_minor) NOT VALID;
ALTER TABLE invoices ADD CONSTRAINT invoices_excess_not_negative CHECK (excess_minor >= 0) NOT VALID;
-- issued and partly_paid are the statuses with a balance: invoices_due_idx goes by them.
ALTER TABLE invoices DROP CONSTRAINT invoices_status_tells_paid;
ALTER TABLE invoices ADD CONSTRAINT invoices_status_tells_paid CHECK (
    CASE status
        WHEN 'issued' THEN paid_minor = 0 AND credited_minor < total_minor
        WHEN 'partly_paid' THEN paid_minor > 0 AND paid_minor + credited_minor < total_minor
        WHEN 'paid' THEN paid_minor > 0 AND paid_minor + credited_minor = total_minor
        WHEN 'credited' THEN paid_minor = 0 AND credited_minor = total_minor
        ELSE paid_minor = 0 AND credited_minor = 0 AND excess_minor = 0
    END
) NOT VALID;

-- amount_minor is the line's net: quantity times unit price less the discount; tax_minor comes on top. Each is rounded to a
-- whole minor unit, half away from zero. numeric, because the product of four of the largest does not fit into bigint.
ALTER TABLE invoice_lines ADD COLUMN discount_bps integer NOT NULL DEFAULT 0;
ALTER TABLE invoice_lines ADD COLUMN tax_bps integer NOT NULL DEFAULT 0;
ALTER TABLE invoice_lines ADD COLUMN tax_minor bigint NOT NULL DEFAULT 0;
ALTER TABLE invoice_lines ADD CONSTRAINT invoice_lines_discount_range CHECK (discount_bps BETWEEN 0 AND 10000) NOT VALID;
ALTER TABLE invoice_lines ADD CONSTRAINT invoice_lines_tax_range CHECK (tax_bps BETWEEN 0 AND 100000) NOT VALID;
ALTER TABLE invoice_lines DROP CONSTRAINT invoice_lines_amount_is_product;
ALTER TABLE invoice_lines ADD CONSTRAINT invoice_lines_amount_is_product
    CHECK (amount_minor = div(quantity::numeric * unit_minor * (10000 - discount_bps) + 5000, 10000)) NOT VALID;
ALTER TABLE invoice_lines ADD CONSTRAINT invoice_lines_tax_is_share
    CHECK (tax_minor = div(amount_minor::numeric * tax_bps + 5000, 10000)) NOT VALID;

-- A provider's reference is a clinic's: clinic_id is the invoice's. from_credit says that the patient's credit paid, and no
-- provider; it is no matter of the provider's name, since "credit" may have been one before.
ALTER TABLE payments ADD COLUMN clinic_id uuid;
ALTER TABLE payments ADD COLUMN from_credit boolean NOT NULL DEFAULT false;
-- reopened says that the invoice is owed again. It is NULL for refunds from before credit notes, which all did that.
ALTER TABLE refunds ADD COLUMN clinic_id uuid;
ALTER TABLE refunds ADD COLUMN reopened boolean;
-- No sum changes, so that none needs the check at commit.
ALTER TABLE payments DISABLE TRIGGER payments_sums;
ALTER TABLE refunds DISABLE TRIGGER refunds_sums;
UPDATE payments AS p
SET clinic_id = i.clinic_id
FROM invoices AS i
WHERE i.id = p.invoice_id;
UPDATE refunds AS r
SET clinic_id = p.clinic_id
FROM payments AS p
WHERE p.id = r.payment_id;
ALTER TABLE payments ENABLE TRIGGER payments_sums;
ALTER TABLE refunds ENABLE TRIGGER refunds_sums;
ALTER TABLE payments ADD CONSTRAINT payments_clinic_id_there CHECK (clinic_id IS NOT NULL) NOT VALID;
ALTER TABLE refunds ADD CONSTRAINT refunds_clinic_id_there CHECK (clinic_id IS NOT NULL) NOT VALID;

-- sequence is the number of a note that the service numbered ("CN-<sequence>"): without gaps in each clinic. invoice_version
-- is the version of the invoice that the note made.
CREATE TABLE credit_notes (
    id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    invoice_version bigint NOT NULL,
    clinic_id uuid NOT NULL,
    sequence bigint,
    number text NOT NULL,
    reason text NOT NULL,
    refund_id uuid,
    total_minor bigint NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT credit_notes_pkey PRIMARY KEY (id),
    CONSTRAINT credit_notes_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoices (id),
    CONSTRAINT credit_notes_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT credit_notes_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refunds (id),
    CONSTRAINT credit_notes_number_key UNIQUE (clinic_id, number),
    CONSTRAINT credit_notes_sequence_key UNIQUE (clinic_id, sequence),
    CONSTRAINT credit_notes_refund_key UNIQUE (refund_id),
    CONSTRAINT credit_notes_version_positive CHECK (invoice_version > 0),
    CONSTRAINT credit_notes_number_length CHECK (char_length(number) BETWEEN 1 AND 64),
    CONSTRAINT credit_notes_number_of_sequence CHECK ((number ~ '^CN-[0-9]+$') = (sequence IS NOT NULL)),
    CONSTRAINT credit_notes_reason_length CHECK (char_length(reason) BETWEEN 1 AND 500),
    CONSTRAINT credit_notes_total_positive CHECK (total_minor > 0)
);
CREATE INDEX credit_notes_invoice_idx ON credit_notes (invoice_id, created_at, id);

CREATE TABLE credit_note_lines (
    credit_note_id uuid NOT NULL,
    line integer NOT NULL,
    description text NOT NULL,
    quantity integer NOT NULL,
    unit_minor bigint NOT NULL,
    discount_bps integer NOT NULL,
    tax_bps integer NOT NULL,
    amount_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    CONSTRAINT credit_note_lines_pkey PRIMARY KEY (credit_note_id, line),
    CONSTRAINT credit_note_lines_credit_note_id_fkey FOREIGN KEY (credit_note_id) REFERENCES credit_notes (id),
    CONSTRAINT credit_note_lines_line_positive CHECK (line > 0),
    CONSTRAINT credit_note_lines_description_length CHECK (char_length(description) BETWEEN 1 AND 500),
    CONSTRAINT credit_note_lines_quantity_positive CHECK (quantity > 0),
    CONSTRAINT credit_note_lines_unit_not_negative CHECK (unit_minor >= 0),
    CONSTRAINT credit_note_lines_discount_range CHECK (discount_bps BETWEEN 0 AND 10000),
    CONSTRAINT credit_note_lines_tax_range CHECK (tax_bps BETWEEN 0 AND 100000),
    CONSTRAINT credit_note_lines_amount_is_product
        CHECK (amount_minor = div(quantity::numeric * unit_minor * (10000 - discount_bps) + 5000, 10000)),
    CONSTRAINT credit_note_lines_tax_is_share CHECK (tax_minor = div(amount_minor::numeric * tax_bps + 5000, 10000))
);

ALTER TABLE credit_notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY credit_notes_app ON credit_notes TO carewire_app USING (EXISTS (SELECT 1 FROM invoices AS i WHERE i.id = invoice_id));
ALTER TABLE credit_note_lines ENABLE ROW LEVEL SECURITY;
CREATE POLICY credit_note_lines_app ON credit_note_lines TO carewire_app
    USING (EXISTS (SELECT 1 FROM credit_notes AS n WHERE n.id = credit_note_id));
GRANT SELECT, INSERT ON credit_notes, credit_note_lines TO carewire_app;

-- invoice_sums_check is for one invoice. It locks the row first: of two that write at once, the second sees the first's sums.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION invoice_sums_check(p_invoice_id uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v invoices;
BEGIN
    SELECT * INTO v FROM invoices WHERE id = p_invoice_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF v.total_minor <> (SELECT coalesce(sum(amount_minor + tax_minor), 0) FROM invoice_lines WHERE invoice_id = p_invoice_id) THEN
        RAISE EXCEPTION 'the total of an invoice is not that of its lines'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoices_total_is_sum_of_lines', TABLE = 'invoices';
    END IF;
    IF EXISTS (
        SELECT 1
        FROM payments AS p
        JOIN refunds AS r ON r.payment_id = p.id
        WHERE p.invoice_id = p_invoice_id
        GROUP BY p.id, p.amount_minor
        HAVING sum(r.amount_minor) > p.amount_minor
    ) THEN
        RAISE EXCEPTION 'more than a payment was given back'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refunds_within_payment', TABLE = 'refunds';
    END IF;
    IF v.paid_minor + v.excess_minor <> (SELECT coalesce(sum(p.amount_minor), 0) FROM payments AS p WHERE p.invoice_id = p_invoice_id)
        - (SELECT coalesce(sum(r.amount_minor), 0) FROM refunds AS r JOIN payments AS p ON p.id = r.payment_id WHERE p.invoice_id = p_invoice_id)
    THEN
        RAISE EXCEPTION 'what counts as paid on an invoice is not payments less refunds'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoices_paid_is_sum_of_payments', TABLE = 'invoices';
    END IF;
    IF v.credited_minor <> (SELECT coalesce(sum(total_minor), 0) FROM credit_notes WHERE invoice_id = p_invoice_id) THEN
        RAISE EXCEPTION 'what counts as credited on an invoice is not the sum of its credit notes'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoices_credited_is_sum_of_notes', TABLE = 'invoices';
    END IF;
    IF EXISTS (
        SELECT 1
        FROM credit_notes AS n
        WHERE n.invoice_id = p_invoice_id
            AND n.total_minor <> (SELECT coalesce(sum(l.amount_minor + l.tax_minor), 0) FROM credit_note_lines AS l WHERE l.credit_note_id = n.id)
    ) THEN
        RAISE EXCEPTION 'the total of a credit note is not that of its lines'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_notes_total_is_sum_of_lines', TABLE = 'credit_notes';
    END IF;
    IF EXISTS (SELECT 1 FROM payments AS p WHERE p.invoice_id = p_invoice_id AND p.clinic_id <> v.clinic_id)
        OR EXISTS (
            SELECT 1 FROM refunds AS r JOIN payments AS p ON p.id = r.payment_id WHERE p.invoice_id = p_invoice_id AND r.clinic_id <> v.clinic_id
        )
        OR EXISTS (SELECT 1 FROM credit_notes AS n WHERE n.invoice_id = p_invoice_id AND n.clinic_id <> v.clinic_id)
    THEN
        RAISE EXCEPTION 'a payment, refund or credit note is of another clinic than its invoice'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoices_clinic_is_one', TABLE = 'invoices';
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION billing_check_sums() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF TG_TABLE_NAME = 'invoices' THEN
        PERFORM invoice_sums_check(NEW.id);
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'refunds' THEN
        IF TG_OP <> 'INSERT' THEN
            PERFORM invoice_sums_check((SELECT invoice_id FROM payments WHERE id = OLD.payment_id));
        END IF;
        IF TG_OP <> 'DELETE' THEN
            PERFORM invoice_sums_check((SELECT invoice_id FROM payments WHERE id = NEW.payment_id));
        END IF;
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'credit_note_lines' THEN
        IF TG_OP <> 'INSERT' THEN
            PERFORM invoice_sums_check((SELECT invoice_id FROM credit_notes WHERE id = OLD.credit_note_id));
        END IF;
        IF TG_OP <> 'DELETE' THEN
            PERFORM invoice_sums_check((SELECT invoice_id FROM credit_notes WHERE id = NEW.credit_note_id));
        END IF;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM invoice_sums_check(OLD.invoice_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM invoice_sums_check(NEW.invoice_id);
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
DROP TRIGGER invoices_sums ON invoices;
CREATE CONSTRAINT TRIGGER invoices_sums AFTER INSERT OR UPDATE OF total_minor, paid_minor, excess_minor, credited_minor ON invoices
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_check_sums();
CREATE CONSTRAINT TRIGGER credit_notes_sums AFTER INSERT OR UPDATE OR DELETE ON credit_notes
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_check_sums();
CREATE CONSTRAINT TRIGGER credit_note_lines_sums AFTER INSERT OR UPDATE OR DELETE ON credit_note_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_check_sums();

-- credit_lock takes the lock under which a patient's credit at a clinic in a currency is drawn on. It comes after the lock of
-- an invoice, of which a transaction holds one; so nothing waits in a circle.
-- +goose StatementBegin
CREATE FUNCTION credit_lock(p_clinic_id uuid, p_patient_id uuid, p_currency text) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = public, pg_temp
RETURN pg_advisory_xact_lock(hashtextextended(concat('carewire credit ', p_clinic_id, p_patient_id, p_currency), 0));
-- +goose StatementEnd

-- credit_balance returns a patient's credit: what was paid in excess on their invoices, less what credit paid and was not
-- returned. Nobody keeps it elsewhere, so that it follows a person who proves to be another.
-- +goose StatementBegin
CREATE FUNCTION credit_balance(p_clinic_id uuid, p_patient_id uuid, p_currency text) RETURNS bigint
LANGUAGE sql STABLE
SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT (coalesce((
        SELECT sum(i.excess_minor)
        FROM invoices AS i
        WHERE i.patient_id = p_patient_id
            AND i.clinic_id = p_clinic_id
            AND i.currency = p_currency
    ), 0) - coalesce((
        SELECT sum(p.amount_minor - coalesce((SELECT sum(r.amount_minor) FROM refunds AS r WHERE r.payment_id = p.id), 0))
        FROM invoices AS i
        JOIN payments AS p ON p.invoice_id = i.id AND p.from_credit
        WHERE i.patient_id = p_patient_id
            AND i.clinic_id = p_clinic_id
            AND i.currency = p_currency
    ), 0))::bigint;
END;
-- +goose StatementEnd

-- billing_check_credit refuses at commit what draws more than there is. It sees all of the patient's invoices, whoever writes.
-- +goose StatementBegin
CREATE FUNCTION billing_check_credit() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v invoices;
BEGIN
    IF TG_TABLE_NAME = 'invoices' THEN
        v := NEW;
    ELSE
        SELECT * INTO v FROM invoices WHERE id = NEW.invoice_id;
    END IF;
    PERFORM credit_lock(v.clinic_id, v.patient_id, v.currency);
    IF credit_balance(v.clinic_id, v.patient_id, v.currency) < 0 THEN
        RAISE EXCEPTION 'more than a patient''s credit was drawn'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_credit', TABLE = 'payments';
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER invoices_credit AFTER UPDATE OF excess_minor ON invoices
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.excess_minor < OLD.excess_minor) EXECUTE FUNCTION billing_check_credit();
CREATE CONSTRAINT TRIGGER payments_credit AFTER INSERT OR UPDATE ON payments
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.from_credit) EXECUTE FUNCTION billing_check_credit();

GRANT EXECUTE ON FUNCTION credit_lock, credit_balance TO carewire_app;

-- Each entry of a patient's account at a clinic: what the clinic charged is positive, what it credited or was paid negative.
-- Their sum is what is owed on the invoices less the patient's credit. A payment from credit moves nothing between patient
-- and clinic, and is none. The last change of a void invoice is that it was voided.
CREATE VIEW statement_entries WITH (security_invoker = true) AS
SELECT
    i.patient_id,
    i.clinic_id,
    i.currency,
    i.issued_at AS at,
    'invoice_issued' AS type,
    i.id,
    i.id AS invoice_id,
    i.number,
    i.total_minor AS amount_minor
FROM invoices AS i
WHERE i.status <> 'draft'
UNION ALL
SELECT
    i.patient_id,
    i.clinic_id,
    i.currency,
    i.updated_at,
    'invoice_voided',
    i.id,
    i.id,
    i.number,
    -i.total_minor
FROM invoices AS i
WHERE i.status = 'void'
UNION ALL
SELECT
    i.patient_id,
    i.clinic_id,
    i.currency,
    n.created_at,
    'credit_note_issued',
    n.id,
    i.id,
    n.number,
    -n.total_minor
FROM invoices AS i
JOIN credit_notes AS n ON n.invoice_id = i.id
UNION ALL
SELECT
    i.patient_id,
    i.clinic_id,
    i.currency,
    p.received_at,
    'payment_received',
    p.id,
    i.id,
    i.number,
    -p.amount_minor
FROM invoices AS i
JOIN payments AS p ON p.invoice_id = i.id
WHERE NOT p.from_credit
UNION ALL
SELECT
    i.patient_id,
    i.clinic_id,
    i.currency,
    r.made_at,
    'refund_made',
    r.id,
    i.id,
    i.number,
    r.amount_minor
FROM invoices AS i
JOIN payments AS p ON p.invoice_id = i.id
JOIN refunds AS r ON r.payment_id = p.id
WHERE NOT p.from_credit;
GRANT SELECT ON statement_entries TO carewire_app;
