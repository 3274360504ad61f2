-- A provider's reference is unique in its clinic: one clinic's receipt must not block another's, nor tell of it. The rules of
-- the migration before hold for the rows from before it, too.
-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '5s';

DROP INDEX CONCURRENTLY IF EXISTS payments_clinic_reference_key;
CREATE UNIQUE INDEX CONCURRENTLY payments_clinic_reference_key ON payments (clinic_id, provider, provider_reference);
DROP INDEX CONCURRENTLY IF EXISTS refunds_clinic_reference_key;
CREATE UNIQUE INDEX CONCURRENTLY refunds_clinic_reference_key ON refunds (clinic_id, provider, provider_reference);
ALTER TABLE payments DROP CONSTRAINT IF EXISTS payments_provider_reference_key;
ALTER TABLE refunds DROP CONSTRAINT IF EXISTS refunds_provider_reference_key;

ALTER TABLE payments VALIDATE CONSTRAINT payments_clinic_id_there;
ALTER TABLE payments ALTER COLUMN clinic_id SET NOT NULL;
ALTER TABLE refunds VALIDATE CONSTRAINT refunds_clinic_id_there;
ALTER TABLE refunds ALTER COLUMN clinic_id SET NOT NULL;
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_status_known;
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_balance_not_negative;
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_excess_not_negative;
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_status_tells_paid;
ALTER TABLE invoice_lines VALIDATE CONSTRAINT invoice_lines_discount_range;
ALTER TABLE invoice_lines VALIDATE CONSTRAINT invoice_lines_tax_range;
ALTER TABLE invoice_lines VALIDATE CONSTRAINT invoice_lines_amount_is_product;
ALTER TABLE invoice_lines VALIDATE CONSTRAINT invoice_lines_tax_is_share;
