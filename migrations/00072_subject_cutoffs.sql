-- What is no longer true is not sent. A write that makes untrue what was announced about its subject, such as a cancellation,
-- raises the subject's cut-off in its own transaction: from its commit on no claim of a message about a lower version begins,
-- regardless of how far the followers lag. What already waits for its time is cancelled in the same transaction. A cut-off is
-- kept: a message of a lower version can be planned, claimed or retried long after it.
-- +goose Up
SET lock_timeout = '5s';

CREATE TABLE subject_cutoffs (
    subject text NOT NULL,
    version bigint NOT NULL,
    cause_type text NOT NULL,
    cause_event_id uuid NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT subject_cutoffs_pkey PRIMARY KEY (subject),
    CONSTRAINT subject_cutoffs_version_positive CHECK (version > 0)
);
GRANT SELECT ON subject_cutoffs TO carewire_worker;

-- cutoff_cancel_waiting cancels what waits for its time about a version of the subject below its cut-off. It locks the
-- notifications in the order of their ids, as all others do, and then changes their deliveries. It returns the cancelled
-- deliveries, and a notification without any with a NULL delivery_id.
-- +goose StatementBegin
CREATE FUNCTION cutoff_cancel_waiting(p_subject text)
RETURNS TABLE (notification_id uuid, event_id uuid, recipient_id uuid, clinic_id uuid, rule text, rule_version integer,
    delivery_id uuid, channel text, reason text)
LANGUAGE plpgsql VOLATILE
SET search_path = public, pg_temp
AS $$
DECLARE
    v_version bigint;
    v_reason text;
BEGIN
    SELECT c.version, 'cut_off:' || c.cause_type
    INTO v_version, v_reason
    FROM subject_cutoffs AS c
    WHERE c.subject = p_subject;

    PERFORM
    FROM notifications AS n
    WHERE n.subject = p_subject
        AND n.due_at IS NOT NULL
        AND n.subject_version < v_version
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
        v_reason
    FROM ended
    LEFT JOIN cancelled ON cancelled.notification_id = ended.id
    ORDER BY ended.id, cancelled.id;
END
$$;
-- +goose StatementEnd

-- raise_cutoff raises the cut-off of a subject, and returns what cutoff_cancel_waiting does. A cut-off at the same or a lower
-- version changes nothing and returns nothing.
-- +goose StatementBegin
CREATE FUNCTION raise_cutoff(p_subject text, p_version bigint, p_cause_event_id uuid, p_cause_type text)
RETURNS TABLE (notification_id uuid, event_id uuid, recipient_id uuid, clinic_id uuid, rule text, rule_version integer,
    delivery_id uuid, channel text, reason text)
LANGUAGE plpgsql VOLATILE
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO subject_cutoffs AS c (subject, version, cause_type, cause_event_id)
    VALUES (p_subject, p_version, p_cause_type, p_cause_event_id)
    ON CONFLICT ON CONSTRAINT subject_cutoffs_pkey DO UPDATE
    SET
        version = excluded.version,
        cause_type = excluded.cause_type,
        cause_event_id = excluded.cause_event_id,
        raised_at = excluded.raised_at
    WHERE c.version < excluded.version;
    IF FOUND THEN
        RETURN QUERY SELECT * FROM cutoff_cancel_waiting(p_subject);
    END IF;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION cutoff_cancel_waiting, raise_cutoff FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cutoff_cancel_waiting TO carewire_worker;
GRANT EXECUTE ON FUNCTION raise_cutoff TO carewire_app, carewire_worker;
