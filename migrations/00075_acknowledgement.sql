-- Acknowledgement ends an escalation. Whether a notification needs one is stored with it, so that those that still do are one
-- range of an index. As in 00068, the index is created on the partitioned table alone: the service builds its parts for the
-- existing partitions concurrently, right after the migrations.
-- +goose Up
SET lock_timeout = '5s';

ALTER TABLE notifications ADD COLUMN needs_acknowledgement boolean NOT NULL DEFAULT false;
CREATE INDEX notifications_unacknowledged_idx ON ONLY notifications (recipient_id, created_at DESC, id DESC)
WHERE needs_acknowledgement AND acknowledged_at IS NULL AND held_until IS NULL;

-- counted_from is when the time of a step began to count, by PostgreSQL's clock: when it was planned, or when the step before it
-- ended. accepted_at is when a provider accepted the first message that it counts from, once due_at has been moved by the
-- difference. A step that follows another one has the due_at infinity until that one ends.
ALTER TABLE escalations
    ADD COLUMN counted_from timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN accepted_at timestamptz;

-- People see the escalations of events that they were notified of, as it is shown whether a notification needs to be acknowledged.
ALTER TABLE escalations ENABLE ROW LEVEL SECURITY;
CREATE POLICY escalations_app ON escalations FOR SELECT TO carewire_app
    USING (
        (SELECT scope_is('system', 'operator'))
        OR EXISTS (
            SELECT
            FROM notifications AS n
            WHERE n.event_position = escalations.event_position
                AND n.event_id = escalations.event_id
                AND n.recipient_id = (SELECT scope_person())
        )
    );
CREATE POLICY escalations_worker ON escalations TO carewire_worker USING (true);

CREATE OR REPLACE VIEW inbox_items WITH (security_invoker = true) AS
SELECT
    n.id,
    n.event_position,
    n.event_id,
    n.event_type,
    n.subject,
    n.recipient_id,
    n.clinic_id,
    n.category,
    n.priority,
    n.created_at,
    n.seen_at,
    n.read_at,
    n.archived_at,
    n.held_until,
    n.acknowledged_at,
    n.needs_acknowledgement
FROM notifications AS n;

-- inbox_acknowledge acknowledges a notification of the person in the scope, and ends the open steps of the escalations that it
-- is about; no row if the person has no such notification. changed is false if it was acknowledged before. A step that the
-- scheduler has locked is waited for: either it has escalated when this goes on, or it never does.
--
-- The acknowledgement of the person that the event is about ends the steps only if the rule notified nobody else. The others who
-- were notified need not acknowledge any more. All lock the steps of an event in the order of their rules and steps, and then
-- its notifications in the order of their ids.
-- +goose StatementBegin
CREATE FUNCTION inbox_acknowledge(p_id uuid, p_event_position bigint)
RETURNS TABLE (acknowledged_at timestamptz, changed boolean, rule text, event_id uuid, clinic_id uuid, ended integer)
LANGUAGE plpgsql VOLATILE
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_person uuid := scope_person();
    v_own notifications;
    v_rules text[];
    v_ended integer;
BEGIN
    SELECT n.*
    INTO v_own
    FROM notifications AS n
    WHERE n.id = p_id
        AND n.event_position = p_event_position
        AND n.recipient_id = v_person
        AND n.held_until IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    SELECT array_agg(r.name)
    INTO v_rules
    FROM (
        SELECT v_own.rule AS name
        UNION
        SELECT d.rule
        FROM deliveries AS d
        WHERE d.event_position = p_event_position
            AND d.recipient_id = v_person
            AND d.notification_id = p_id
    ) AS r
    WHERE NOT EXISTS (
            SELECT
            FROM events AS e
            WHERE e.position = p_event_position
                AND e.person_id = v_person
        )
        OR NOT EXISTS (
            SELECT
            FROM notifications AS n
            LEFT JOIN deliveries AS d
                ON d.event_position = n.event_position AND d.recipient_id = n.recipient_id AND d.plan_key = n.plan_key
            WHERE n.event_position = p_event_position
                AND n.plan_key = ''
                AND n.recipient_id <> v_person
                AND (n.rule = r.name OR d.rule = r.name)
        );

    PERFORM
    FROM escalations AS x
    WHERE x.event_position = p_event_position
        AND x.rule = ANY (v_rules)
        AND x.done_at IS NULL
    ORDER BY
        x.rule,
        x.step
    FOR UPDATE;
    PERFORM
    FROM notifications AS n
    WHERE n.event_position = p_event_position
        AND (n.id = p_id OR (n.rule = ANY (v_rules) AND n.needs_acknowledgement))
    ORDER BY n.id
    FOR UPDATE;

    UPDATE notifications AS n
    SET acknowledged_at = now()
    WHERE n.id = p_id
        AND n.event_position = p_event_position
        AND n.acknowledged_at IS NULL;
    IF NOT FOUND THEN
        RETURN QUERY
        SELECT n.acknowledged_at, false, n.rule, n.event_id, n.clinic_id, 0
        FROM notifications AS n
        WHERE n.id = p_id
            AND n.event_position = p_event_position;
        RETURN;
    END IF;

    UPDATE escalations AS x
    SET
        done_at = now(),
        outcome = 'acknowledged',
        done_by = v_person
    WHERE x.event_position = p_event_position
        AND x.rule = ANY (v_rules)
        AND x.done_at IS NULL;
    GET DIAGNOSTICS v_ended = ROW_COUNT;
    UPDATE notifications AS n
    SET needs_acknowledgement = false
    WHERE n.event_position = p_event_position
        AND n.id <> p_id
        AND n.rule = ANY (v_rules)
        AND n.needs_acknowledgement;
    RETURN QUERY SELECT now(), true, v_own.rule, v_own.event_id, v_own.clinic_id, v_ended;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION inbox_acknowledge FROM PUBLIC;
GRANT EXECUTE ON FUNCTION inbox_acknowledge TO carewire_app;
