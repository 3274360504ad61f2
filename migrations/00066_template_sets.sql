-- Templates as data, as rules are: the published sets, from which position on each is in force, and the version whose words a
-- delivery carries. Version 0 is the set in the binary, which deliveries of earlier releases are rendered from.
-- +goose Up
SET lock_timeout = '5s';

-- Every template set that was ever published, as its author wrote it.
CREATE TABLE template_sets (
    version integer NOT NULL,
    source text NOT NULL,
    checksum bytea NOT NULL,
    note text NOT NULL DEFAULT '',
    published_by text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT template_sets_pkey PRIMARY KEY (version),
    CONSTRAINT template_sets_version_positive CHECK (version > 0)
);

-- The planner writes a row when it passes the event templates.published.
CREATE TABLE template_publications (
    position bigint NOT NULL,
    version integer NOT NULL,
    CONSTRAINT template_publications_pkey PRIMARY KEY (position),
    CONSTRAINT template_publications_version_fkey FOREIGN KEY (version) REFERENCES template_sets (version)
);
CREATE INDEX template_publications_version_idx ON template_publications (version);

GRANT SELECT, INSERT ON template_sets TO carewire_app, carewire_worker;
GRANT SELECT ON template_publications TO carewire_app;
GRANT SELECT, INSERT ON template_publications TO carewire_worker;

ALTER TABLE deliveries ADD COLUMN template_version integer NOT NULL DEFAULT 0;

-- As before, with the template and its version at the end.
CREATE OR REPLACE VIEW listed_deliveries WITH (security_invoker = true) AS
SELECT
    d.id,
    d.notification_id,
    d.event_id,
    n.event_type,
    n.subject,
    d.recipient_id,
    d.channel,
    d.state,
    d.reason,
    d.rule,
    d.priority,
    d.attempt,
    d.possible_duplicate,
    d.provider,
    d.error_code,
    d.created_at,
    d.updated_at,
    d.template,
    d.template_version
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position;

-- The templates as they were published, and from which position on they were in force.
CREATE VIEW audit.templates AS
SELECT
    s.version,
    p.position AS in_force_from,
    s.source,
    s.note,
    s.published_by,
    s.published_at
FROM template_sets AS s
LEFT JOIN template_publications AS p ON p.version = s.version;
GRANT SELECT ON audit.templates TO carewire_auditor;

-- As before, with the template's version at the end.
CREATE OR REPLACE VIEW audit.deliveries AS
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
    d.sent_at,
    d.template_version
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position;

-- As before, and templates.published is the service's own too.
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
    IF p_type LIKE 'notification.%' OR p_type LIKE 'rules.%' OR p_type LIKE 'templates.%' OR p_type LIKE 'ledger.%' THEN
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
