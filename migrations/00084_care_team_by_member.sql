-- «Is this member in the care team of this patient?» was answered from the member's index, where the patient is missing: between two
-- vacuums PostgreSQL took it for no dearer than the primary key, and read all 5,000 patients of a doctor for each row of a list. The
-- index names the patient, so that both find one row. It is built beside writers, outside of a transaction.
-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '5s';
DROP INDEX CONCURRENTLY IF EXISTS care_team_member_patient_idx;
CREATE INDEX CONCURRENTLY care_team_member_patient_idx ON care_team (member_id, clinic_id, patient_id);
DROP INDEX CONCURRENTLY IF EXISTS care_team_member_idx;
