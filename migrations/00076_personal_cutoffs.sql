-- A cut-off of a conversation is of one person: what they have read, or had planned when they left, is not sent to them, while it
-- still is to the other participants. A conversation has no cut-off for everybody, so that one row at most holds for a message.
-- Reading appends no event, so that a personal cut-off has no cause_event_id. A raised cut-off also ends the escalations of the
-- events that became untrue, in the same transaction.
-- +carewire allow add-constraint subject_cutoffs: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

-- recipient_id is the zero UUID for a cut-off that holds for everybody.
ALTER TABLE subject_cutoffs
    ADD COLUMN recipient_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    ALTER COLUMN cause_event_id DROP NOT NULL,
    DROP CONSTRAINT subject_cutoffs_pkey,
    ADD CONSTRAINT subject_cutoffs_pkey PRIMARY KEY (subject, recipient_id),
    ADD CONSTRAINT subject_cutoffs_personal CHECK ((recipient_id <> '00000000-0000-0000-0000-000000000000') = (subject LIKE 'conversation/%'));

DROP FUNCTION raise_cutoff;
DROP FUNCTION cutoff_cancel_waiting;

-- cutoff_apply cancels what waits for its time about a version of the subject below its cut-off, and ends the escalations of such
-- events. It locks the escalations and then the notifications in the order of their ids, as all others do, and then changes the
-- deliveries. It returns the cancelled deliveries, a notification without any with a NULL delivery_id, and the ended steps.
-- +goose StatementBegin
CREATE FUNCTION cutoff_apply(p_subject text, p_recipient_id uuid)
RETURNS TABLE (notification_id uuid, event_id uuid, recipient_id uuid, clinic_id uuid, rule text, rule_version integer,
    delivery_id uuid, channel text, reason text, step integer)
LANGUAGE plpgsql VOLATILE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_everybody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    v_version bigint;
    v_reason text;
BEGIN
    SELECT c.version, 'cut_off:' || c.cause_type
    INTO v_version, v_reason
    FROM subject_cutoffs AS c
    WHERE c.subject = p_subject
        AND c.recipient_id = p_recipient_id;

    IF p_recipient_id = v_everybody THEN
        PERFORM
        FROM escalations AS x
        WHERE x.subject = p_subject
            AND x.done_at IS NULL
            AND x.subject_version < v_version
        ORDER BY
            x.event_position,
            x.rule,
            x.step
        FOR UPDATE;
        IF FOUND THEN
            RETURN QUERY
            WITH ended AS (
                UPDATE escalations AS x
                SET
                    done_at = now(),
                    outcome = 'cut_off'
                WHERE x.subject = p_subject
                    AND x.done_at IS NULL
                    AND x.subject_version < v_version
                RETURNING
                    x.event_position,
                    x.event_id,
                    x.clinic_id,
                    x.rule,
                    x.rule_version,
                    x.step
            ), locked AS (
                SELECT
                    n.id,
                    n.event_position
                FROM notifications AS n
                WHERE n.event_position IN (SELECT e.event_position FROM ended AS e)
                    AND n.subject = p_subject
                    AND n.needs_acknowledgement
                ORDER BY n.id
                FOR UPDATE
            ), settled AS (
                UPDATE notifications AS n
                SET needs_acknowledgement = false
                FROM locked
                WHERE n.id = locked.id
                    AND n.event_position = locked.event_position
            )
            SELECT
                NULL::uuid,
                e.event_id,
                NULL::uuid,
                e.clinic_id,
                e.rule,
                e.rule_version,
                NULL::uuid,
                NULL::text,
                v_reason,
                e.step
            FROM ended AS e
            ORDER BY
                e.event_position,
                e.rule,
                e.step;
        END IF;
    END IF;

    PERFORM
    FROM notifications AS n
    WHERE n.subject = p_subject
        AND n.due_at IS NOT NULL
        AND n.subject_version < v_version
        AND p_recipient_id IN (v_everybody, n.recipient_id)
    ORDER BY n.id
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    WITH ended AS (
        UPDATE notifications AS n
        SET due_at = NULL
        WHERE n.subject = p_subject
            AND n.due_at IS NOT NULL
            AND n.subject_version < v_version
            AND p_recipient_id IN (v_everybody, n.recipient_id)
        RETURNING
            n.id,
            n.event_position,
            n.event_id,
            n.recipient_id,
            n.clinic_id,
            n.rule,
            n.rule_version
    ), cancelled AS (
        UPDATE deliveries AS d
        SET
            state = 'cancelled',
            reason = v_reason,
            not_before = NULL,
            updated_at = now()
        FROM ended
        WHERE d.event_position = ended.event_position
            AND d.recipient_id = ended.recipient_id
            AND d.notification_id = ended.id
            AND d.state = 'planned'
        RETURNING
            d.id,
            d.notification_id,
            d.channel
    )
    SELECT
        ended.id,
        ended.event_id,
        ended.recipient_id,
        ended.clinic_id,
        ended.rule,
        ended.rule_version,
        cancelled.id,
        cancelled.channel,
        v_reason,
        NULL::integer
    FROM ended
    LEFT JOIN cancelled ON cancelled.notification_id = ended.id
    ORDER BY ended.id, cancelled.id;
END
$$;
-- +goose StatementEnd

-- raise_cutoff raises the cut-off of a subject, for everybody or for one person, and returns what cutoff_apply does. A cut-off at
-- the same or a lower version changes nothing; a personal one returns what was planned since it was raised.
-- +goose StatementBegin
CREATE FUNCTION raise_cutoff(p_subject text, p_recipient_id uuid, p_version bigint, p_cause_event_id uuid, p_cause_type text)
RETURNS TABLE (notification_id uuid, event_id uuid, recipient_id uuid, clinic_id uuid, rule text, rule_version integer,
    delivery_id uuid, channel text, reason text, step integer)
LANGUAGE plpgsql VOLATILE
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO subject_cutoffs AS c (subject, recipient_id, version, cause_type, cause_event_id)
    VALUES (p_subject, p_recipient_id, p_version, p_cause_type, p_cause_event_id)
    ON CONFLICT ON CONSTRAINT subject_cutoffs_pkey DO UPDATE
    SET
        version = excluded.version,
        cause_type = excluded.cause_type,
        cause_event_id = excluded.cause_event_id,
        raised_at = excluded.raised_at
    WHERE c.version < excluded.version;
    IF FOUND OR p_recipient_id <> '00000000-0000-0000-0000-000000000000' THEN
        RETURN QUERY SELECT * FROM cutoff_apply(p_subject, p_recipient_id);
    END IF;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION cutoff_apply, raise_cutoff FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cutoff_apply TO carewire_worker;
GRANT EXECUTE ON FUNCTION raise_cutoff TO carewire_app, carewire_worker;

-- As in 00016. Whoever leaves with the care team gets nothing about the conversation that was planned before, from the same commit
-- on. What waits for its time is cancelled when chat.participant_left is appended.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION conversations_leave() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    WITH gone AS (
        UPDATE conversation_participants AS p
        SET
            left_at = now(),
            left_untold = true,
            unread_since = NULL
        FROM conversations AS c
        WHERE c.patient_id = OLD.patient_id
            AND c.clinic_id = OLD.clinic_id
            AND c.patient_id <> OLD.member_id
            AND p.conversation_id = c.id
            AND p.user_id = OLD.member_id
            AND p.left_at IS NULL
        RETURNING
            p.conversation_id,
            c.last_number
    )
    INSERT INTO subject_cutoffs AS o (subject, recipient_id, version, cause_type)
    SELECT
        'conversation/' || gone.conversation_id,
        OLD.member_id,
        gone.last_number + 1,
        'chat.participant_left'
    FROM gone
    ORDER BY gone.conversation_id
    ON CONFLICT ON CONSTRAINT subject_cutoffs_pkey DO UPDATE
    SET
        version = excluded.version,
        cause_type = excluded.cause_type,
        raised_at = excluded.raised_at
    WHERE o.version < excluded.version;
    RETURN NULL;
END;
$$;
-- +goose StatementEnd
