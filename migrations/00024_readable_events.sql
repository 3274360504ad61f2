-- A value that SQL accepts and a reader cannot read, such as the time 'infinity', stopped every reader of the ledger. So
-- the outbox and the ledger accept only times that CloudEvents, JSON and CEL can express, and outbox_append() refuses what
-- a reader cannot read with a sentence. Rows from before may break the new constraints: NOT VALID leaves them alone, and
-- the readers turn them into dead letters.
-- +goose Up
SET lock_timeout = '5s';

-- 16 KiB of jsonb can be 100 MiB of text: a number such as 1e131071 is stored in a few bytes and read as all its digits.
-- pg_column_size of a value that comes compressed out of another table is the compressed size. The length of the text is
-- that of what readers get.
ALTER TABLE outbox
    ADD CONSTRAINT outbox_time_readable CHECK (time >= '0001-01-01 00:00:00+00' AND time < '10000-01-01 00:00:00+00') NOT VALID,
    ADD CONSTRAINT outbox_data_length CHECK (octet_length(data::text) <= 65536) NOT VALID;

ALTER TABLE events
    ADD CONSTRAINT events_time_readable CHECK (time >= '0001-01-01 00:00:00+00' AND time < '10000-01-01 00:00:00+00') NOT VALID;

-- The same as before, with the checks of id, time and data. A JSON number beyond a double is valid JSON that most programs
-- fail on; 64 levels are more than any payload has.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION outbox_append(
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
    IF p_event_id IS NULL OR p_event_id = '00000000-0000-0000-0000-000000000000' THEN
        RAISE EXCEPTION 'event id: must be set' USING ERRCODE = 'check_violation';
    END IF;
    IF p_time IS NULL OR NOT p_time BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00' THEN
        RAISE EXCEPTION 'time: must be a time of the years 1 to 9999 in UTC'
            USING ERRCODE = 'check_violation', HINT = 'Leave p_time out for the time now.';
    END IF;
    IF octet_length(p_data::text) > 65536 THEN
        RAISE EXCEPTION 'data: must have at most 65536 bytes as text' USING ERRCODE = 'check_violation';
    END IF;
    IF p_data @? 'strict $.**{65}' THEN
        RAISE EXCEPTION 'data: must be nested at most 64 levels deep' USING ERRCODE = 'check_violation';
    END IF;
    IF p_data @? 'strict $.** ? (@.type() == "number" && (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308))' THEN
        RAISE EXCEPTION 'data: holds a number that a double cannot hold' USING ERRCODE = 'check_violation';
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
