-- Commands list the staff of all clinics and the roles on the platform, which are few among the roles of all patients.
-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '5s';
DROP INDEX CONCURRENTLY IF EXISTS memberships_staff_idx;
CREATE INDEX CONCURRENTLY memberships_staff_idx ON memberships (user_id, id) WHERE revoked_at IS NULL AND role <> 'patient';
