-- How many events of each type happened in each hour at each clinic: kept up to date by the follower analytics.
-- +goose Up
SET lock_timeout = '5s';

-- hour is the start of the hour, UTC, in which the events happened. clinic_id is null for what belongs to no clinic. It
-- names no clinics row: the ledger may know clinics that the directory does not.
CREATE TABLE event_counts (
    clinic_id uuid,
    type text NOT NULL,
    hour timestamptz NOT NULL,
    count bigint NOT NULL,
    CONSTRAINT event_counts_key UNIQUE NULLS NOT DISTINCT (clinic_id, type, hour),
    CONSTRAINT event_counts_count_positive CHECK (count > 0),
    CONSTRAINT event_counts_hour_whole CHECK (hour = date_trunc('hour', hour, 'UTC'))
);
CREATE INDEX event_counts_hour_idx ON event_counts (hour, clinic_id);

CREATE VIEW audit.event_counts AS
SELECT
    clinic_id,
    type,
    hour,
    count
FROM event_counts;

GRANT SELECT ON event_counts TO carewire_app;
GRANT SELECT, INSERT, UPDATE ON event_counts TO carewire_worker;
GRANT SELECT ON audit.event_counts TO carewire_auditor;
