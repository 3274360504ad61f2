-- The transactional outbox: an event is appended in the transaction of the write it tells of, and waits here until
-- the sequencer gives it a position in the ledger.
-- +goose Up
SET lock_timeout = '5s';

-- The types that may be appended, as the service's catalog declares them. The service writes its catalog here when it
-- starts, so that outbox_append() can check what Go checks.
CREATE TABLE event_types (
    type text NOT NULL,
    category text NOT NULL,
    required text[] NOT NULL,
    synced_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_types_pkey PRIMARY KEY (type)
);

-- id gives the order: it is drawn after the aggregate's row is locked, so for one subject it follows the commits.
-- The event's own id (a UUIDv7) never does.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
    event_id uuid NOT NULL,
    type text NOT NULL,
    source text NOT NULL,
    subject text NOT NULL,
    subject_version bigint,
    time timestamptz NOT NULL,
    data jsonb NOT NULL,
    clinic_id uuid,
    person_id uuid,
    actor_id text NOT NULL,
    actor_role text NOT NULL,
    cause_id uuid,
    correlation_id text,
    traceparent text,
    imported boolean NOT NULL DEFAULT false,
    CONSTRAINT outbox_pkey PRIMARY KEY (id),
    CONSTRAINT outbox_type_form CHECK (type ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,3}$' AND char_length(type) <= 100),
    CONSTRAINT outbox_source_length CHECK (char_length(source) BETWEEN 1 AND 200),
    CONSTRAINT outbox_subject_form CHECK (subject ~ '^[a-z][a-z0-9_]*/[A-Za-z0-9._:-]{1,100}$'),
    CONSTRAINT outbox_subject_version_positive CHECK (subject_version > 0),
    CONSTRAINT outbox_data_object CHECK (jsonb_typeof(data) = 'object' AND pg_column_size(data) <= 16384),
    CONSTRAINT outbox_actor_id_length CHECK (char_length(actor_id) BETWEEN 1 AND 200),
    CONSTRAINT outbox_actor_role_length CHECK (char_length(actor_role) BETWEEN 1 AND 50),
    CONSTRAINT outbox_correlation_id_length CHECK (char_length(correlation_id) <= 200),
    CONSTRAINT outbox_traceparent_length CHECK (char_length(traceparent) <= 100)
) WITH (
    -- Rows live for milliseconds: vacuum by count, early, so that the sequencer does not walk over the dead.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 100000
);

-- What the sequencer could not move, whole, with the reason; an operator appends it again once it is mended.
CREATE TABLE outbox_rejected (
    id bigint NOT NULL,
    event jsonb NOT NULL,
    error text NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    redriven_at timestamptz,
    CONSTRAINT outbox_rejected_pkey PRIMARY KEY (id)
);

-- outbox_append is the door for programs that are not this service: the same checks as in Go, and no way to forge what
-- only the service may say (notification.**, rules.**, ledger.**). Call it in the transaction of the write that it tells of; lock
-- or version the aggregate first, append last.
-- +goose StatementBegin
CREATE FUNCTION outbox_append(
    p_type text,
    p_subject text,
    p_data jsonb,
    p_source text,
    p_actor_id text,
    p_actor_role text DEFAULT 'service',
    p_clinic_id uuid DEFAULT NULL,
    p_person_id uuid DEFAULT NULL,
    p_subject_version bigint DEFAULT NULL,
    p_cause_id uuid DEFAULT NULL,
    p_correlation_id text DEFAULT NULL,
    p_traceparent text DEFAULT NULL,
    p_time timestamptz DEFAULT clock_timestamp(),
    p_event_id uuid DEFAULT gen_random_uuid(),
    p_imported boolean DEFAULT false
) RETURNS uuid
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_required text[];
    v_missing text;
BEGIN
    IF p_type LIKE 'notification.%' OR p_type LIKE 'rules.%' OR p_type LIKE 'ledger.%' THEN
        RAISE EXCEPTION 'type: % may be appended by the service only', p_type USING ERRCODE = 'check_violation';
    END IF;
    SELECT required INTO v_required FROM event_types WHERE type = p_type;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'type: % is not in the catalog', p_type
            USING ERRCODE = 'check_violation', HINT = 'Declare the type in the event catalog, or see the table event_types for those that exist.';
    END IF;
    SELECT k INTO v_missing FROM unnest(v_required) AS k WHERE NOT coalesce(p_data, '{}') ? k LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'data.%: is required by %', v_missing, p_type USING ERRCODE = 'check_violation';
    END IF;
    -- Sockets and audit go by the envelope: what the data says of person and clinic counts where the envelope is silent.
    BEGIN
        p_person_id := coalesce(p_person_id, (p_data ->> 'userId')::uuid);
        p_clinic_id := coalesce(p_clinic_id, (p_data ->> 'clinicId')::uuid);
    EXCEPTION WHEN invalid_text_representation THEN
        RAISE EXCEPTION 'data.userId, data.clinicId: must be UUIDs' USING ERRCODE = 'check_violation';
    END;
    INSERT INTO outbox (event_id, type, source, subject, subject_version, time, data, clinic_id, person_id,
        actor_id, actor_role, cause_id, correlation_id, traceparent, imported)
    VALUES (p_event_id, p_type, p_source, p_subject, p_subject_version, p_time, p_data, p_clinic_id, p_person_id,
        p_actor_id, p_actor_role, p_cause_id, p_correlation_id, p_traceparent, p_imported);
    RETURN p_event_id;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION outbox_append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION outbox_append TO carewire_app, carewire_worker;

GRANT SELECT, INSERT, UPDATE ON event_types TO carewire_worker;
GRANT SELECT ON event_types TO carewire_app;
GRANT INSERT ON outbox TO carewire_app;
GRANT SELECT, INSERT, DELETE ON outbox TO carewire_worker;
GRANT SELECT, INSERT, UPDATE ON outbox_rejected TO carewire_worker;
