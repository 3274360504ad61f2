-- A clinic's invoices with a status, of which most are paid: its drafts were found by reading all. The index is built beside
-- writers, outside of a transaction.
-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '5s';
DROP INDEX CONCURRENTLY IF EXISTS invoices_clinic_status_idx;
CREATE INDEX CONCURRENTLY invoices_clinic_status_idx ON invoices (clinic_id, status, created_at DESC, id DESC);
