-- Invoices, what was paid on them and what was given back. Amounts are whole minor units of the invoice's currency
-- (cents), never fractions. The sums are checked here too, at commit: whatever writes, an invoice's total is that of its
-- lines, what counts as paid is payments less refunds, and nobody pays or gets back too much.
-- +goose Up
SET lock_timeout = '5s';

CREATE TABLE invoices (
    id uuid NOT NULL,
    version bigint NOT NULL,
    clinic_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    number text,
    currency text NOT NULL,
    status text NOT NULL,
    overdue boolean NOT NULL DEFAULT false,
    total_minor bigint NOT NULL,
    paid_minor bigint NOT NULL,
    due_on date NOT NULL,
    issued_at timestamptz,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT invoices_pkey PRIMARY KEY (id),
    CONSTRAINT invoices_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT invoices_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES users (id),
    CONSTRAINT invoices_number_key UNIQUE (clinic_id, number),
    CONSTRAINT invoices_number_length CHECK (char_length(number) BETWEEN 1 AND 64),
    CONSTRAINT invoices_version_positive CHECK (version > 0),
    CONSTRAINT invoices_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT invoices_status_known CHECK (status IN ('draft', 'issued', 'partly_paid', 'paid', 'void')),
    CONSTRAINT invoices_total_positive CHECK (total_minor > 0),
    CONSTRAINT invoices_never_overpaid CHECK (paid_minor BETWEEN 0 AND total_minor),
    CONSTRAINT invoices_status_tells_paid CHECK (
        CASE status
            WHEN 'partly_paid' THEN paid_minor > 0 AND paid_minor < total_minor
            WHEN 'paid' THEN paid_minor = total_minor
            ELSE paid_minor = 0
        END
    ),
    CONSTRAINT invoices_overdue_is_owed CHECK (NOT overdue OR status IN ('issued', 'partly_paid')),
    CONSTRAINT invoices_issued_at_once_issued CHECK ((status = 'draft') = (issued_at IS NULL))
);
CREATE INDEX invoices_patient_idx ON invoices (patient_id, created_at DESC, id DESC);
CREATE INDEX invoices_clinic_idx ON invoices (clinic_id, created_at DESC, id DESC);
CREATE INDEX invoices_due_idx ON invoices (due_on) WHERE NOT overdue AND status IN ('issued', 'partly_paid');

CREATE TABLE invoice_lines (
    invoice_id uuid NOT NULL,
    line integer NOT NULL,
    description text NOT NULL,
    quantity integer NOT NULL,
    unit_minor bigint NOT NULL,
    amount_minor bigint NOT NULL,
    CONSTRAINT invoice_lines_pkey PRIMARY KEY (invoice_id, line),
    CONSTRAINT invoice_lines_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoices (id),
    CONSTRAINT invoice_lines_line_positive CHECK (line > 0),
    CONSTRAINT invoice_lines_description_length CHECK (char_length(description) BETWEEN 1 AND 500),
    CONSTRAINT invoice_lines_quantity_positive CHECK (quantity > 0),
    CONSTRAINT invoice_lines_unit_not_negative CHECK (unit_minor >= 0),
    CONSTRAINT invoice_lines_amount_is_product CHECK (amount_minor = quantity * unit_minor)
);

-- A provider tells of one payment more than once; its reference makes that one row.
CREATE TABLE payments (
    id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    provider text NOT NULL,
    provider_reference text NOT NULL,
    received_at timestamptz NOT NULL,
    received_by text NOT NULL,
    CONSTRAINT payments_pkey PRIMARY KEY (id),
    CONSTRAINT payments_id_provider_key UNIQUE (id, provider),
    CONSTRAINT payments_provider_reference_key UNIQUE (provider, provider_reference),
    CONSTRAINT payments_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoices (id),
    CONSTRAINT payments_amount_positive CHECK (amount_minor > 0),
    CONSTRAINT payments_provider_form CHECK (provider ~ '^[a-z][a-z0-9_-]{0,39}$'),
    CONSTRAINT payments_provider_reference_length CHECK (char_length(provider_reference) BETWEEN 1 AND 200)
);
CREATE INDEX payments_invoice_idx ON payments (invoice_id, received_at, id);

-- A refund goes back by the provider that took the payment, and has a reference there.
CREATE TABLE refunds (
    id uuid NOT NULL,
    payment_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    provider text NOT NULL,
    provider_reference text NOT NULL,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    CONSTRAINT refunds_pkey PRIMARY KEY (id),
    CONSTRAINT refunds_provider_reference_key UNIQUE (provider, provider_reference),
    CONSTRAINT refunds_payment_id_fkey FOREIGN KEY (payment_id, provider) REFERENCES payments (id, provider),
    CONSTRAINT refunds_amount_positive CHECK (amount_minor > 0),
    CONSTRAINT refunds_provider_reference_length CHECK (char_length(provider_reference) BETWEEN 1 AND 200)
);
CREATE INDEX refunds_payment_idx ON refunds (payment_id);

-- invoice_sums_check is for one invoice. It locks the row first: of two that write at once, the second sees the first's sums.
-- +goose StatementBegin
CREATE FUNCTION invoice_sums_check(p_invoice_id uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_total bigint;
    v_paid bigint;
BEGIN
    SELECT total_minor, paid_minor INTO v_total, v_paid FROM invoices WHERE id = p_invoice_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF v_total <> (SELECT coalesce(sum(amount_minor), 0) FROM invoice_lines WHERE invoice_id = p_invoice_id) THEN
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
    IF v_paid <> (SELECT coalesce(sum(p.amount_minor), 0) FROM payments AS p WHERE p.invoice_id = p_invoice_id)
        - (SELECT coalesce(sum(r.amount_minor), 0) FROM refunds AS r JOIN payments AS p ON p.id = r.payment_id WHERE p.invoice_id = p_invoice_id)
    THEN
        RAISE EXCEPTION 'what counts as paid on an invoice is not payments less refunds'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'invoices_paid_is_sum_of_payments', TABLE = 'invoices';
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION billing_check_sums() RETURNS trigger
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
CREATE CONSTRAINT TRIGGER invoices_sums AFTER INSERT OR UPDATE OF total_minor, paid_minor ON invoices
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_check_sums();
CREATE CONSTRAINT TRIGGER invoice_lines_sums AFTER INSERT OR UPDATE OR DELETE ON invoice_lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_check_sums();
CREATE CONSTRAINT TRIGGER payments_sums AFTER INSERT OR UPDATE OR DELETE ON payments
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_check_sums();
CREATE CONSTRAINT TRIGGER refunds_sums AFTER INSERT OR UPDATE OR DELETE ON refunds
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_check_sums();

GRANT SELECT, INSERT, UPDATE ON invoices TO carewire_app;
GRANT SELECT, INSERT ON invoice_lines, payments, refunds TO carewire_app;
