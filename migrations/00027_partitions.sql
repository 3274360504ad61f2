-- What grows with every message is partitioned like the ledger, while it is small: old parts can then be detached and dropped
-- in no time, vacuum works on one part after the other, and the indexes in use stay small. The key is event_position: it is
-- known when a message is planned, it only grows, and it is the ledger's own key. Every unique key of such a table has to
-- include it, and there is no foreign key between the three, as one would have to be checked in both when a part is dropped.
-- Notifications and deliveries are looked up by id all the same, with one probe of each partition: there the id has a unique
-- index of its own, as a key of id and position would leave the planner guessing how many rows have an id.
--
-- The rows are copied under an exclusive lock. Instances of an earlier release must not run: their statements name unique
-- keys that are gone.
-- +carewire allow lock notifications: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

LOCK TABLE notifications, deliveries, decisions IN ACCESS EXCLUSIVE MODE;
DROP VIEW audit.deliveries, audit.notifications, audit.decisions;
-- Their indexes and constraints go along, so that the new tables can have the names.
CREATE SCHEMA unpartitioned;
ALTER TABLE deliveries SET SCHEMA unpartitioned;
ALTER TABLE notifications SET SCHEMA unpartitioned;
ALTER TABLE decisions SET SCHEMA unpartitioned;

-- One row per event and recipient: what a person was told of. The in-app inbox reads it too.
CREATE TABLE notifications (
    id uuid NOT NULL,
    event_position bigint NOT NULL,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    subject text NOT NULL,
    recipient_id uuid NOT NULL,
    clinic_id uuid,
    category text NOT NULL,
    priority text NOT NULL,
    rule text NOT NULL,
    rule_version integer NOT NULL,
    template text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    read_at timestamptz,
    CONSTRAINT notifications_pkey PRIMARY KEY (event_position, recipient_id),
    CONSTRAINT notifications_recipient_id_fkey FOREIGN KEY (recipient_id) REFERENCES users (id),
    CONSTRAINT notifications_priority_known CHECK (priority IN ('critical', 'high', 'normal', 'bulk'))
) PARTITION BY RANGE (event_position);
CREATE INDEX notifications_recipient_idx ON notifications (recipient_id, created_at DESC, id DESC);
CREATE INDEX notifications_created_idx ON notifications (created_at DESC, id DESC);
CREATE INDEX notifications_unread_idx ON notifications (recipient_id, created_at DESC, id DESC) WHERE read_at IS NULL;

-- One row per event, recipient and channel: the truth about a message. The River job is only its engine. Those of one
-- notification have its event_position and recipient_id, by which they are found.
-- attempt counts the calls begun; attempt_started_at is set while one may be under way, so that a crash in mid-call shows;
-- claimed_by is the run that began the last one. unknown is final: it may have arrived, and no receipt came.
CREATE TABLE deliveries (
    id uuid NOT NULL,
    event_position bigint NOT NULL,
    notification_id uuid NOT NULL,
    event_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    channel text NOT NULL,
    state text NOT NULL,
    reason text NOT NULL DEFAULT '',
    rule text NOT NULL,
    template text NOT NULL,
    priority text NOT NULL,
    fallback text[] NOT NULL DEFAULT '{}',
    attempt integer NOT NULL DEFAULT 0,
    attempt_started_at timestamptz,
    claimed_by uuid,
    possible_duplicate boolean NOT NULL DEFAULT false,
    not_before timestamptz,
    deadline_at timestamptz,
    provider text,
    provider_id text,
    error_code text,
    correlation_id text,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    CONSTRAINT deliveries_pkey PRIMARY KEY (event_position, recipient_id, channel),
    CONSTRAINT deliveries_recipient_id_fkey FOREIGN KEY (recipient_id) REFERENCES users (id),
    CONSTRAINT deliveries_channel_known CHECK (channel IN ('email', 'push', 'sms', 'whatsapp', 'inapp')),
    CONSTRAINT deliveries_state_known CHECK (
        state IN ('planned', 'queued', 'uncertain', 'sent', 'delivered', 'read', 'suppressed', 'cancelled', 'failed', 'unknown')
    )
) PARTITION BY RANGE (event_position);
CREATE INDEX deliveries_recipient_id_idx ON deliveries (recipient_id);
CREATE INDEX deliveries_open_idx ON deliveries (updated_at) WHERE state IN ('planned', 'queued', 'uncertain');
-- What operators look for; few rows, and none that a message on its way passes through.
CREATE INDEX deliveries_trouble_idx ON deliveries (state, updated_at DESC, id DESC) WHERE state IN ('suppressed', 'cancelled', 'failed', 'unknown');
CREATE INDEX deliveries_provider_id_idx ON deliveries (provider_id) WHERE provider_id IS NOT NULL;

-- What a matching rule decided NOT to send, and why; what it did send stands in deliveries with its rule and reason.
-- recipient_id is null when the rule named nobody.
CREATE TABLE decisions (
    id bigint GENERATED ALWAYS AS IDENTITY,
    event_position bigint NOT NULL,
    event_id uuid NOT NULL,
    rule text NOT NULL,
    rule_version integer NOT NULL,
    recipient_id uuid,
    channel text,
    reason text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT decisions_pkey PRIMARY KEY (id, event_position),
    -- A second planning of the same event adds nothing.
    CONSTRAINT decisions_key UNIQUE NULLS NOT DISTINCT (event_position, rule, recipient_id, channel)
) PARTITION BY RANGE (event_position);
CREATE INDEX decisions_recipient_id_idx ON decisions (recipient_id) WHERE recipient_id IS NOT NULL;

-- partition_bounds lists a table's partitions by range of positions: each begins at lower and ends before upper.
CREATE FUNCTION partition_bounds(p_table regclass) RETURNS TABLE (lower bigint, upper bigint)
LANGUAGE sql
STABLE
AS $$
    SELECT
        (regexp_match(b.bounds, 'FROM \(''?(\d+)''?\)'))[1]::bigint,
        (regexp_match(b.bounds, 'TO \(''?(\d+)''?\)'))[1]::bigint
    FROM pg_inherits AS h
    JOIN pg_class AS c ON c.oid = h.inhrelid
    CROSS JOIN pg_get_expr(c.relpartbound, c.oid) AS b (bounds)
    WHERE h.inhparent = p_table
$$;

-- partition_make makes one partition LIKE its parent and then attaches it, which waits for no reader and no writer of the
-- parent. Where the parent refers to users, it waits for those who write there. Some things do not come with LIKE: what
-- TRUNCATE fires, the unique ids, and the part of each page of deliveries that is left free for the claim.
-- +goose StatementBegin
CREATE FUNCTION partition_make(p_table text, p_key text, p_lower bigint, p_upper bigint) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_name text := p_table || '_from_' || p_lower;
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING IDENTITY)', v_name, p_table);
    CASE p_table
        WHEN 'events' THEN
            EXECUTE format('CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION events_refuse_change()', v_name);
        WHEN 'notifications' THEN
            EXECUTE format('CREATE UNIQUE INDEX %I ON %I (id)', v_name || '_id_key', v_name);
        WHEN 'deliveries' THEN
            EXECUTE format('CREATE UNIQUE INDEX %I ON %I (id)', v_name || '_id_key', v_name);
            EXECUTE format('ALTER TABLE %I SET (fillfactor = 50)', v_name);
        ELSE NULL;
    END CASE;
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I CHECK (%I >= %s AND %I < %s)', v_name, v_name || '_bounds', p_key, p_lower, p_key, p_upper);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', p_table, v_name, p_lower, p_upper);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', v_name, v_name || '_bounds');
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION partition_bounds, partition_make FROM PUBLIC;

-- events_partitions_ahead makes sure that the partition of p_position and one after it exist, for the ledger and in the same
-- bounds for what is planned for its events, and gives the first position of the last one: once the ledger comes near to
-- that, call again. Either all are made or none: no event gets a position that a message cannot be planned for. The worker
-- role calls it; the owner's rights make the tables. No change of the schema is waited for longer than lock_timeout; the
-- caller tries again.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION events_partitions_ahead(p_position bigint) RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
    v_size bigint;
    v_last bigint;
    v_from bigint;
    v_missing record;
BEGIN
    -- Several instances may find the end near at the same moment: one makes the partitions, the others then see them.
    PERFORM pg_advisory_xact_lock(hashtextextended('carewire events_partitions_ahead', 0));
    SELECT partition_size INTO STRICT v_size FROM ledger_partitioning;
    -- The size may have been changed since the last partition was made: begin where that one ends.
    SELECT coalesce(max(b.lower), 0), coalesce(max(b.upper), 1) INTO v_last, v_from FROM partition_bounds('events') AS b;
    WHILE v_last <= p_position LOOP
        PERFORM partition_make('events', 'position', v_from, v_from + v_size);
        v_last := v_from;
        v_from := v_from + v_size;
    END LOOP;
    -- The others follow, each from where its own last partition ends: an older one that was dropped is not made again.
    FOR v_missing IN
        SELECT t.name, b.lower, b.upper
        FROM unnest(ARRAY['notifications', 'deliveries', 'decisions']) AS t (name)
        CROSS JOIN partition_bounds('events') AS b
        WHERE b.lower >= coalesce((SELECT max(own.upper) FROM partition_bounds(t.name::regclass) AS own), 0)
        ORDER BY t.name, b.lower
    LOOP
        PERFORM partition_make(v_missing.name, 'event_position', v_missing.lower, v_missing.upper);
    END LOOP;
    RETURN v_last;
END
$$;
-- +goose StatementEnd
SELECT events_partitions_ahead(coalesce((SELECT e.position FROM events AS e ORDER BY e.position DESC LIMIT 1), 1));

INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, clinic_id, category, priority, rule,
    rule_version, template, created_at, read_at)
SELECT
    id,
    event_position,
    event_id,
    event_type,
    subject,
    recipient_id,
    clinic_id,
    category,
    priority,
    rule,
    rule_version,
    template,
    created_at,
    read_at
FROM unpartitioned.notifications
ORDER BY event_position, id;

INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, reason, rule, template, priority,
    fallback, attempt, attempt_started_at, possible_duplicate, not_before, deadline_at, provider, provider_id, error_code,
    correlation_id, traceparent, created_at, updated_at, sent_at)
SELECT
    d.id,
    n.event_position,
    d.notification_id,
    d.event_id,
    d.recipient_id,
    d.channel,
    d.state,
    d.reason,
    d.rule,
    d.template,
    d.priority,
    d.fallback,
    d.attempt,
    d.attempt_started_at,
    d.possible_duplicate,
    d.not_before,
    d.deadline_at,
    d.provider,
    d.provider_id,
    d.error_code,
    d.correlation_id,
    d.traceparent,
    d.created_at,
    d.updated_at,
    d.sent_at
FROM unpartitioned.deliveries AS d
JOIN unpartitioned.notifications AS n ON n.id = d.notification_id
ORDER BY n.event_position, d.id;

INSERT INTO decisions (id, event_position, event_id, rule, rule_version, recipient_id, channel, reason, decided_at)
OVERRIDING SYSTEM VALUE
SELECT
    id,
    event_position,
    event_id,
    rule,
    rule_version,
    recipient_id,
    channel,
    reason,
    decided_at
FROM unpartitioned.decisions
ORDER BY event_position, id;
SELECT setval(pg_get_serial_sequence('decisions', 'id'), max(id)) FROM decisions HAVING max(id) IS NOT NULL;

-- Nothing else analyzes a partitioned table. An empty one is left unknown, so that the first plans do not take it for small.
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM notifications) THEN
        ANALYZE notifications, deliveries, decisions;
    END IF;
END
$$;
-- +goose StatementEnd
DROP TABLE unpartitioned.deliveries, unpartitioned.notifications, unpartitioned.decisions;
DROP SCHEMA unpartitioned;

GRANT SELECT ON notifications, deliveries, decisions TO carewire_app;
GRANT UPDATE (read_at) ON notifications TO carewire_app;
GRANT SELECT, INSERT, UPDATE ON notifications, deliveries TO carewire_worker;
GRANT SELECT, INSERT ON decisions TO carewire_worker;

-- What people were told: their own, and for operators everybody's (ids, states and codes). A partition has no policy of its
-- own, and nobody was granted one.
ALTER TABLE notifications ENABLE ROW LEVEL SECURITY;
CREATE POLICY notifications_app ON notifications TO carewire_app
    USING ((SELECT scope_is('system', 'operator')) OR recipient_id = (SELECT scope_person()));
CREATE POLICY notifications_worker ON notifications TO carewire_worker USING (true);
ALTER TABLE deliveries ENABLE ROW LEVEL SECURITY;
CREATE POLICY deliveries_app ON deliveries TO carewire_app
    USING ((SELECT scope_is('system', 'operator')) OR recipient_id = (SELECT scope_person()));
CREATE POLICY deliveries_worker ON deliveries TO carewire_worker USING (true);
ALTER TABLE decisions ENABLE ROW LEVEL SECURITY;
CREATE POLICY decisions_app ON decisions TO carewire_app
    USING ((SELECT scope_is('system', 'operator')) OR recipient_id = (SELECT scope_person()));
CREATE POLICY decisions_worker ON decisions TO carewire_worker USING (true);

-- The auditor's views, as before; a delivery is joined with its notification by the whole key.
CREATE VIEW audit.notifications AS
SELECT
    id,
    event_position,
    event_id,
    event_type,
    subject,
    recipient_id,
    clinic_id,
    category,
    priority,
    rule,
    rule_version,
    template,
    created_at,
    read_at
FROM notifications;

CREATE VIEW audit.deliveries AS
SELECT
    d.id,
    d.notification_id,
    d.event_position,
    d.event_id,
    n.subject,
    d.recipient_id,
    d.channel,
    d.state,
    d.reason,
    d.rule,
    n.rule_version,
    d.template,
    d.priority,
    d.attempt,
    d.possible_duplicate,
    d.provider,
    d.provider_id,
    d.error_code,
    d.created_at,
    d.updated_at,
    d.sent_at
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position;

CREATE VIEW audit.decisions AS
SELECT
    id,
    event_position,
    event_id,
    rule,
    rule_version,
    recipient_id,
    channel,
    reason,
    decided_at
FROM decisions;
GRANT SELECT ON audit.notifications, audit.deliveries, audit.decisions TO carewire_auditor;
