-- What tests need and no role of the service may do, in a schema of its own.
CREATE SCHEMA carewire_test;

-- appended returns every event that was appended, in order, also to a session that may only append and in the middle of its
-- transaction: those that the ledger has, then those that still wait, at position 0.
CREATE FUNCTION carewire_test.appended() RETURNS TABLE (
    place bigint, event_id uuid, type text, source text, subject text, subject_version bigint, event_time timestamptz, data jsonb,
    clinic_id uuid, person_id uuid, actor_id text, actor_role text, cause_id uuid, correlation_id text, traceparent text, imported boolean
)
LANGUAGE sql
SECURITY DEFINER
SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT a.found_at, a.event_id, a.type, a.source, a.subject, a.subject_version, a.time, a.data,
        a.clinic_id, a.person_id, a.actor_id, a.actor_role, a.cause_id, a.correlation_id, a.traceparent, a.imported
    FROM (
        SELECT 1 AS part, e.position AS ordinal, e.position AS found_at, e.event_id, e.type, e.source, e.subject, e.subject_version, e.time, e.data,
            e.clinic_id, e.person_id, e.actor_id, e.actor_role, e.cause_id, e.correlation_id, e.traceparent, e.imported
        FROM events AS e
        UNION ALL
        SELECT 2, o.id, 0, o.event_id, o.type, o.source, o.subject, o.subject_version, o.time, o.data,
            o.clinic_id, o.person_id, o.actor_id, o.actor_role, o.cause_id, o.correlation_id, o.traceparent, o.imported
        FROM outbox AS o
    ) AS a
    ORDER BY a.part, a.ordinal;
END;
GRANT USAGE ON SCHEMA carewire_test TO PUBLIC;
