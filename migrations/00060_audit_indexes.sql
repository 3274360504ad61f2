-- The audit trail is read by person, by actor and by type. The indexes are created on the partitioned table alone, which
-- takes no time: the service builds those of the existing partitions concurrently, right after the migrations.
-- +goose Up
SET lock_timeout = '5s';

CREATE INDEX events_person_id_idx ON ONLY events (person_id, position) WHERE person_id IS NOT NULL;
-- The planner and the workers of notifications write most events: theirs are found by position.
CREATE INDEX events_actor_id_idx ON ONLY events (actor_id, position) WHERE actor_id <> 'system:dispatch' AND actor_id <> 'system:notify';
CREATE INDEX events_type_idx ON ONLY events (type, position) WHERE type <> 'notification.planned' AND type <> 'notification.sent';
-- People whose names a list showed. Few events have them.
CREATE INDEX events_user_ids_idx ON ONLY events USING gin ((data -> 'userIds')) WHERE data ? 'userIds';
