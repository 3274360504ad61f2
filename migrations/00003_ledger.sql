-- The ledger: every committed event once, at a position without gaps, append-only.
-- +goose Up
SET lock_timeout = '5s';

-- A new epoch begins when history may have been lost (a restore, a failover behind): cursors of older ones must resync.
CREATE TABLE ledger_epochs (
    epoch integer NOT NULL,
    first_position bigint NOT NULL,
    reason text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ledger_epochs_pkey PRIMARY KEY (epoch)
);
INSERT INTO ledger_epochs (epoch, first_position, reason) VALUES (1, 1, 'first');

-- One row: how many positions a partition holds. Few and large; tests make them small.
CREATE TABLE ledger_partitioning (
    only_row boolean NOT NULL DEFAULT true,
    partition_size bigint NOT NULL,
    CONSTRAINT ledger_partitioning_pkey PRIMARY KEY (only_row),
    CONSTRAINT ledger_partitioning_one_row CHECK (only_row),
    CONSTRAINT ledger_partitioning_size_positive CHECK (partition_size > 0)
);
INSERT INTO ledger_partitioning (partition_size) VALUES (20000000);

CREATE TABLE events (
    position bigint NOT NULL,
    epoch integer NOT NULL,
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
    imported boolean NOT NULL,
    recorded_at timestamptz NOT NULL,
    leaf_hash bytea NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (position),
    CONSTRAINT events_position_positive CHECK (position > 0),
    CONSTRAINT events_leaf_hash_length CHECK (octet_length(leaf_hash) = 32)
) PARTITION BY RANGE (position);
CREATE INDEX events_event_id_idx ON events (event_id);
CREATE INDEX events_subject_idx ON events (subject, position);
CREATE INDEX events_cause_id_idx ON events (cause_id, position) WHERE cause_id IS NOT NULL;

-- event_leaf is the leaf hash of one event, as RFC 6962 section 2.1 builds it: SHA-256 over 0x00 and the leaf's bytes.
-- The bytes are the JSON array of the columns in the table's order, in UTF-8, times in UTC to the microsecond.
-- An auditor can call it: SELECT position FROM events e WHERE leaf_hash <> event_leaf(e).
CREATE FUNCTION event_leaf(
    p_position bigint, p_epoch integer, p_event_id uuid, p_type text, p_source text, p_subject text, p_subject_version bigint,
    p_time timestamptz, p_data jsonb, p_clinic_id uuid, p_person_id uuid, p_actor_id text, p_actor_role text, p_cause_id uuid,
    p_correlation_id text, p_traceparent text, p_imported boolean, p_recorded_at timestamptz
) RETURNS bytea
LANGUAGE sql
STABLE PARALLEL SAFE
RETURN sha256('\x00'::bytea || convert_to(jsonb_build_array(
    p_position, p_epoch, p_event_id, p_type, p_source, p_subject, p_subject_version,
    to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    p_data, p_clinic_id, p_person_id, p_actor_id, p_actor_role, p_cause_id, p_correlation_id, p_traceparent, p_imported,
    to_char(p_recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
)::text, 'UTF8'));

CREATE FUNCTION event_leaf(e events) RETURNS bytea
LANGUAGE sql
STABLE PARALLEL SAFE
RETURN event_leaf(e.position, e.epoch, e.event_id, e.type, e.source, e.subject, e.subject_version, e.time, e.data, e.clinic_id,
    e.person_id, e.actor_id, e.actor_role, e.cause_id, e.correlation_id, e.traceparent, e.imported, e.recorded_at);

-- +goose StatementBegin
CREATE FUNCTION events_refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'events is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION events_refuse_change();
CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION events_refuse_change();

-- events_partitions_ahead makes sure that the partition of p_position and one after it exist, and gives the first position
-- of the last one: once the ledger comes near to that, call again. The worker role calls it; the owner's rights make the
-- table. A table is made LIKE the parent and then attached, which waits for no reader and no writer, and for other changes
-- of the schema no longer than lock_timeout; the caller tries again. TRUNCATE fires no parent trigger on a partition, so
-- each gets its own.
-- +goose StatementBegin
CREATE FUNCTION events_partitions_ahead(p_position bigint) RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
    v_size bigint;
    v_last bigint;
    v_from bigint;
    v_name text;
BEGIN
    -- Several instances may find the end near at the same moment: one makes the partition, the others then see it.
    PERFORM pg_advisory_xact_lock(hashtextextended('carewire events_partitions_ahead', 0));
    SELECT partition_size INTO STRICT v_size FROM ledger_partitioning;
    -- The size may have been changed since the last partition was made: begin where that one ends.
    SELECT
        coalesce(max((regexp_match(b.bounds, 'FROM \(''?(\d+)''?\)'))[1]::bigint), 0),
        coalesce(max((regexp_match(b.bounds, 'TO \(''?(\d+)''?\)'))[1]::bigint), 1)
    INTO v_last, v_from
    FROM pg_inherits AS h
    JOIN pg_class AS c ON c.oid = h.inhrelid
    CROSS JOIN pg_get_expr(c.relpartbound, c.oid) AS b (bounds)
    WHERE h.inhparent = 'public.events'::regclass;
    WHILE v_last <= p_position LOOP
        v_name := 'events_from_' || v_from;
        EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING ALL)', v_name);
        EXECUTE format('CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION events_refuse_change()', v_name);
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I CHECK (position >= %s AND position < %s)', v_name, v_name || '_bounds', v_from, v_from + v_size);
        EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', v_name, v_from, v_from + v_size);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', v_name, v_name || '_bounds');
        v_last := v_from;
        v_from := v_from + v_size;
    END LOOP;
    RETURN v_last;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION events_partitions_ahead FROM PUBLIC;
GRANT EXECUTE ON FUNCTION events_partitions_ahead TO carewire_worker;
SELECT events_partitions_ahead(1);

-- Where each durable reader of the ledger stands. position is the last one it has handled.
CREATE TABLE followers (
    name text NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT followers_pkey PRIMARY KEY (name)
);

-- Events that a follower could not handle and passed over. error holds classes and codes, never data.
CREATE TABLE follower_failures (
    id bigint GENERATED ALWAYS AS IDENTITY,
    follower text NOT NULL,
    position bigint NOT NULL,
    event_id uuid NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    failed_at timestamptz NOT NULL DEFAULT now(),
    redriven_at timestamptz,
    CONSTRAINT follower_failures_pkey PRIMARY KEY (id),
    CONSTRAINT follower_failures_key UNIQUE (follower, position)
);

GRANT SELECT, INSERT ON events TO carewire_worker;
GRANT SELECT ON events, ledger_epochs TO carewire_app;
GRANT SELECT, INSERT ON ledger_epochs TO carewire_worker;
GRANT SELECT ON ledger_partitioning TO carewire_worker;
GRANT SELECT, INSERT, UPDATE ON followers TO carewire_worker;
GRANT SELECT ON followers, follower_failures TO carewire_app;
GRANT SELECT, INSERT, UPDATE ON follower_failures TO carewire_worker;
