-- One definition of the audit trail for SQL and REST: audit.positions() selects events by subject, person, actor, type and
-- time. audit.story() and audit.find() show them to auditors, and GET /api/audit reads the same positions.
-- +goose Up
SET lock_timeout = '5s';

DROP FUNCTION audit.story(text);

CREATE OR REPLACE VIEW audit.events AS
SELECT
    e.position,
    e.epoch,
    e.event_id,
    e.type,
    e.source,
    e.subject,
    e.subject_version,
    e.time,
    e.data,
    e.clinic_id,
    e.person_id,
    e.actor_id,
    e.actor_role,
    e.cause_id,
    e.correlation_id,
    e.traceparent,
    e.imported,
    e.recorded_at,
    e.leaf_hash,
    c.address AS client_address,
    c.agent AS client_agent
FROM events AS e
LEFT JOIN event_clients AS c ON c.position = e.position;

-- audit.uuids returns the UUIDs in a JSON array; NULL for anything else in it.
CREATE FUNCTION audit.uuids(p_list jsonb) RETURNS uuid[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
    SELECT CASE WHEN i.id ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' THEN i.id::uuid END
    FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(p_list) = 'array' THEN p_list ELSE '[]' END) AS i (id)
);

-- audit.person_of returns the person whose id an actor has; NULL for a program.
CREATE FUNCTION audit.person_of(p_actor text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_actor ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN p_actor::uuid END;

-- audit.texts returns the texts in a JSON array.
CREATE FUNCTION audit.texts(p_list jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(SELECT i.item FROM jsonb_array_elements_text(CASE WHEN jsonb_typeof(p_list) = 'array' THEN p_list ELSE '[]' END) AS i (item));

-- What was shown to whom: records and lists (record.read), pages of people (user.searched) and the audit trail itself
-- (audit.read). record_ids and user_ids are the records and the people that a list showed, kind is what it listed.
CREATE OR REPLACE VIEW audit.reads AS
SELECT
    e.position,
    e.time,
    e.actor_id,
    e.actor_role,
    e.subject,
    e.person_id,
    e.clinic_id,
    CASE e.type
        WHEN 'user.searched' THEN 'search'
        WHEN 'audit.read' THEN 'audit'
        ELSE e.data ->> 'action'
    END AS action,
    CASE WHEN e.data ->> 'version' ~ '^[0-9]{1,18}$' THEN (e.data ->> 'version')::bigint END AS version,
    audit.uuids(e.data -> 'recordIds') AS record_ids,
    e.correlation_id,
    CASE e.type WHEN 'user.searched' THEN 'user' ELSE e.data ->> 'kind' END AS kind,
    audit.texts(e.data -> 'filters') AS filters,
    CASE
        WHEN e.data ->> 'count' ~ '^[0-9]{1,18}$' THEN (e.data ->> 'count')::bigint
        WHEN e.type = 'user.searched' THEN cardinality(audit.uuids(e.data -> 'userIds'))
    END AS count,
    audit.uuids(e.data -> 'userIds') AS user_ids,
    e.client_address,
    e.client_agent
FROM audit.events AS e
WHERE e.type IN ('record.read', 'user.searched', 'audit.read');

CREATE OR REPLACE VIEW audit.denials AS
SELECT
    e.position,
    e.time,
    e.actor_id,
    e.actor_role,
    e.subject,
    e.person_id,
    e.clinic_id,
    e.data ->> 'action' AS action,
    e.data ->> 'code' AS code,
    e.correlation_id,
    e.client_address,
    e.client_agent
FROM audit.events AS e
WHERE e.type = 'access.denied';

-- Sign-ins, sign-outs and refused sign-ins. repeated counts refusals of the same kind that have no event of their own.
CREATE VIEW audit.sign_ins AS
SELECT
    e.position,
    e.time,
    e.person_id,
    e.type,
    coalesce(e.data ->> 'method', e.data ->> 'reason') AS detail,
    CASE WHEN e.data ->> 'count' ~ '^[0-9]{1,18}$' THEN (e.data ->> 'count')::bigint ELSE 1 END AS count,
    e.correlation_id,
    e.client_address,
    e.client_agent
FROM audit.events AS e
WHERE e.type IN ('user.signed_in', 'user.sign_in_refused', 'session.closed');

-- Roles and care teams: who got and lost which, from whom.
CREATE VIEW audit.role_changes AS
SELECT
    e.position,
    e.time,
    e.type,
    e.person_id,
    CASE WHEN e.type LIKE 'care_team.%' THEN 'care team' ELSE e.data ->> 'role' END AS role,
    e.clinic_id,
    CASE WHEN e.type LIKE 'care_team.%' THEN audit.uuids(jsonb_build_array(e.data -> 'memberId')) END AS member_ids,
    e.actor_id,
    e.actor_role,
    e.correlation_id
FROM audit.events AS e
WHERE e.type IN ('membership.granted', 'membership.revoked', 'care_team.joined', 'care_team.left');

-- The names behind the ids, for auditors only. It is the only view of this schema with data about people.
CREATE VIEW audit.people AS
SELECT
    u.id,
    concat_ws(' ', u.given_name, u.family_name) AS name,
    CASE WHEN u.deceased_on IS NULL THEN u.status ELSE 'deceased' END AS status,
    u.merged_into,
    ARRAY(
        SELECT m.role || coalesce(' at ' || c.name, '')
        FROM memberships AS m
        LEFT JOIN clinics AS c ON c.id = m.clinic_id
        WHERE m.user_id = u.id
            AND m.revoked_at IS NULL
        ORDER BY m.granted_at, m.id
    ) AS roles
FROM users AS u;

-- audit.event_time returns the time at which an event counts: its own, unless that is more than a day before or an hour
-- after the ledger recorded it, as other systems may send. It is bounded so that a period is a range of positions.
CREATE FUNCTION audit.event_time(p_time timestamptz, p_recorded_at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN p_time BETWEEN p_recorded_at - interval '24 hours' AND p_recorded_at + interval '1 hour' THEN p_time
    ELSE p_recorded_at
END;

-- audit.position_at returns a position before which every event was recorded before p_time, and from which on none was. It
-- needs no index on the time, because recorded_at never decreases along the positions.
-- +goose StatementBegin
CREATE FUNCTION audit.position_at(p_time timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
DECLARE
    v_low bigint := coalesce((SELECT e.position FROM events AS e ORDER BY e.position LIMIT 1), 1);
    v_high bigint := coalesce((SELECT e.position FROM events AS e ORDER BY e.position DESC LIMIT 1), 0) + 1;
    v_middle bigint;
    v_found record;
BEGIN
    WHILE v_low < v_high LOOP
        v_middle := v_low + (v_high - v_low) / 2;
        SELECT e.position, e.recorded_at INTO v_found FROM events AS e WHERE e.position >= v_middle ORDER BY e.position LIMIT 1;
        IF v_found.recorded_at >= p_time THEN
            v_high := v_middle;
        ELSE
            v_low := v_found.position + 1;
        END IF;
    END LOOP;
    RETURN v_low;
END
$$;
-- +goose StatementEnd

-- audit.positions_query returns the statement that audit.positions() runs. It contains its values, so that the planner
-- knows them: a filter that is not set costs nothing, and the partial indexes are usable.
--
-- The events of a subject are its own, those that they caused and so on, and the lists that showed it. An effect comes
-- after its cause, so that a page needs at most as many of the subject's own events behind p_after as it has rows, unless
-- another filter drops some. Each step is a look-up by cause (LATERAL and OFFSET enforce it).
-- +goose StatementBegin
CREATE FUNCTION audit.positions_query(
    p_subject text, p_person uuid, p_actor text, p_types text[], p_from timestamptz, p_to timestamptz, p_after bigint, p_until bigint, p_limit integer
) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
DECLARE
    v_after bigint := coalesce(p_after, 0);
    v_until bigint := coalesce(p_until, 9223372036854775807);
    v_filter text := '';
    v_range text;
    v_tail text := ' ORDER BY e.position LIMIT ' || coalesce(p_limit::text, 'ALL');
    v_shown text;
    v_kind text := split_part(p_subject, '/', 1);
    v_id text := split_part(p_subject, '/', 2);
BEGIN
    IF p_from IS NOT NULL THEN
        v_after := greatest(v_after, audit.position_at(p_from - interval '1 hour') - 1);
        v_filter := v_filter || format(' AND audit.event_time(e.time, e.recorded_at) >= %L', p_from);
    END IF;
    IF p_to IS NOT NULL THEN
        v_until := least(v_until, audit.position_at(p_to + interval '24 hours') - 1);
        v_filter := v_filter || format(' AND audit.event_time(e.time, e.recorded_at) < %L', p_to);
    END IF;
    v_range := format(' AND e.position > %s AND e.position <= %s', v_after, v_until);
    IF p_actor IS NOT NULL THEN
        v_filter := v_filter || format(' AND e.actor_id = %L', p_actor);
    END IF;
    IF cardinality(p_types) = 1 THEN
        v_filter := v_filter || format(' AND e.type = %L', p_types[1]);
    ELSIF p_types IS NOT NULL THEN
        v_filter := v_filter || format(' AND e.type = ANY(%L::text[])', p_types);
    END IF;
    IF p_subject IS NULL AND p_person IS NULL THEN
        RETURN 'SELECT e.position FROM events AS e WHERE true' || v_range || v_filter || v_tail;
    END IF;
    IF p_subject IS NULL THEN
        RETURN format(
            'SELECT e.position FROM ((SELECT e.position FROM events AS e WHERE e.person_id = %1$L%2$s%3$s)'
                || ' UNION (SELECT e.position FROM events AS e WHERE e.data ? ''userIds'' AND e.data -> ''userIds'' ? %4$L%2$s%3$s)) AS e%3$s',
            p_person, v_range || v_filter, v_tail, p_person::text);
    END IF;
    IF p_person IS NOT NULL THEN
        v_filter := v_filter || format(' AND e.person_id = %L', p_person);
    END IF;
    -- The lists that showed the subject: those of its patient with its id, or those of people.
    IF v_kind IN ('user', 'patient') THEN
        v_shown := format('SELECT e.position FROM events AS e WHERE e.data ? ''userIds'' AND e.data -> ''userIds'' ? %L%s', v_id, v_range || v_filter || v_tail);
    ELSE
        v_shown := format(
            'SELECT e.position FROM events AS e WHERE e.subject = ANY(ARRAY('
                || 'SELECT DISTINCT ''patient/'' || o.person_id FROM events AS o WHERE o.subject = %L AND o.person_id IS NOT NULL))'
                || ' AND e.type = ''record.read'' AND e.data -> ''recordIds'' ? %L%s',
            p_subject, v_id, v_range || v_filter || v_tail);
    END IF;
    RETURN format(
        'WITH RECURSIVE told AS ('
            || '(SELECT s.position, s.event_id FROM events AS s WHERE s.subject = %1$L AND s.position <= %2$s'
            || ' UNION ALL (SELECT s.position, s.event_id FROM events AS s WHERE s.subject = %1$L AND s.position > %2$s ORDER BY s.position LIMIT %3$s))'
            || ' UNION SELECT c.position, c.event_id FROM told AS t CROSS JOIN LATERAL'
            || ' (SELECT x.position, x.event_id FROM events AS x WHERE x.cause_id = t.event_id OFFSET 0) AS c'
            || '), story AS (SELECT t.position FROM told AS t WHERE t.position > %2$s UNION (%4$s))'
            || ' SELECT e.position FROM events AS e WHERE e.position = ANY(ARRAY(SELECT e.position FROM story AS e ORDER BY e.position LIMIT %3$s))%5$s',
        p_subject, v_after, CASE WHEN v_filter = '' THEN coalesce(p_limit::text, 'ALL') ELSE 'ALL' END, v_shown, v_range || v_filter || v_tail);
END
$$;
-- +goose StatementEnd

-- audit.positions returns the positions of the events that all given filters select, oldest first: at most p_limit behind
-- p_after, up to p_until. NULL is no filter. The person's events include the lists that showed the person.
-- +goose StatementBegin
CREATE FUNCTION audit.positions(
    p_subject text, p_person uuid, p_actor text, p_types text[], p_from timestamptz, p_to timestamptz, p_after bigint, p_until bigint, p_limit integer
) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
-- Each statement has an index, whatever the planner's statistics of a growing table suggest.
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
    RETURN QUERY EXECUTE audit.positions_query(p_subject, p_person, p_actor, p_types, p_from, p_to, p_after, p_until, p_limit);
END
$$;
-- +goose StatementEnd

-- audit.story returns the events of a subject, those that they caused, and so on, and the lists that showed it, oldest first.
-- +goose StatementBegin
CREATE FUNCTION audit.story(p_subject text) RETURNS SETOF audit.events
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT e.*
    FROM audit.events AS e
    WHERE e.position = ANY(ARRAY(SELECT audit.positions(p_subject, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)))
    ORDER BY e.position;
END;
-- +goose StatementEnd

-- audit.find returns the events that all given filters select, oldest first: SELECT * FROM audit.find(p_person => '…').
-- +goose StatementBegin
CREATE FUNCTION audit.find(
    p_subject text DEFAULT NULL, p_person uuid DEFAULT NULL, p_actor text DEFAULT NULL, p_types text[] DEFAULT NULL,
    p_from timestamptz DEFAULT NULL, p_to timestamptz DEFAULT NULL, p_limit integer DEFAULT NULL
) RETURNS SETOF audit.events
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT e.*
    FROM audit.events AS e
    WHERE e.position = ANY(ARRAY(SELECT audit.positions(p_subject, p_person, p_actor, p_types, p_from, p_to, NULL, NULL, p_limit)))
    ORDER BY e.position;
END;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION audit.uuids, audit.texts, audit.person_of, audit.event_time, audit.position_at, audit.positions_query, audit.positions, audit.story, audit.find FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.uuids, audit.texts, audit.person_of, audit.event_time, audit.positions, audit.story, audit.find TO carewire_auditor;
GRANT SELECT ON audit.sign_ins, audit.role_changes, audit.people TO carewire_auditor;
GRANT USAGE ON SCHEMA audit TO carewire_app;
GRANT EXECUTE ON FUNCTION audit.positions TO carewire_app;
