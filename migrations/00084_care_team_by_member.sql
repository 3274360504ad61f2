-- A look-up of one member in the care team of one patient read the member's index, which lacks the patient: between two vacuums
-- PostgreSQL expects it to cost no more than the primary key. It read all 5,000 patients of a doctor for each row of a list. With the
-- patient in the index, both find one row. It is built beside writers, outside of a transaction.
-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '5s';
DROP INDEX CONCURRENTLY IF EXISTS care_team_member_patient_idx;
CREATE INDEX CONCURRENTLY care_team_member_patient_idx ON care_team (member_id, clinic_id, patient_id);
DROP INDEX CONCURRENTLY IF EXISTS care_team_member_idx;
