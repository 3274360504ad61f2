-- A clinic's name and time zone can be changed, so each change has a version.
-- +goose Up
SET lock_timeout = '5s';

ALTER TABLE clinics
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    ADD COLUMN updated_at timestamptz;
