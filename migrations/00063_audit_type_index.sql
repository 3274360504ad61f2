-- The events of every installation are mostly reads of records and the steps of notifications. A search for those types finds
-- a page by position, so that their rows need no entry in the index of types. It is created on the partitioned table alone, as
-- in 00060: the service builds the parts of the existing partitions concurrently, right after the migrations.
-- +goose Up
SET lock_timeout = '5s';

DROP INDEX events_type_idx;
CREATE INDEX events_type_idx ON ONLY events (type, position)
WHERE type NOT IN ('record.read', 'notification.planned', 'notification.sent', 'notification.delivered', 'notification.read');
