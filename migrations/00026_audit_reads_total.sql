-- One record.read whose data has not the form of its payload, which outbox_append() accepts, made every query on audit.reads
-- fail. The view shows null and no records for it.
-- +goose Up
SET lock_timeout = '5s';

CREATE OR REPLACE VIEW audit.reads AS
SELECT
    position,
    time,
    actor_id,
    actor_role,
    subject,
    person_id,
    clinic_id,
    data ->> 'action' AS action,
    CASE WHEN data ->> 'version' ~ '^[0-9]{1,18}$' THEN (data ->> 'version')::bigint END AS version,
    ARRAY(
        SELECT CASE WHEN i.id ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' THEN i.id::uuid END
        FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(data -> 'recordIds') = 'array' THEN data -> 'recordIds' ELSE '[]' END) AS i (id)
    ) AS record_ids,
    correlation_id
FROM events
WHERE type = 'record.read';
