-- A critical finding is a clinician's to say first: the record is withheld from its patient, and the patient's messages wait,
-- until a doctor has seen it or the clinic's period has passed.
-- +carewire allow create-index notifications: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

-- Set by the version that raises a new critical finding, cleared when a doctor has seen it. While it is in the future the record
-- does not exist for its patient.
ALTER TABLE records ADD COLUMN held_until timestamptz;

-- Until when the telling waits; NULL once it does not. A person does not see a held notification in their inbox. One that was
-- held when its record was retracted stays so for good ('infinity').
-- critical_hold_until returns until when a critical finding written now is held at the clinic; null where it holds none back. It is
-- a function for the sake of all other writes: a subquery in their statement costs them its set-up, also where it is not run.
-- +goose StatementBegin
CREATE FUNCTION critical_hold_until(p_clinic_id uuid) RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN now() + make_interval(mins => nullif(coalesce((
        SELECT s.critical_hold_minutes
        FROM clinic_settings AS s
        WHERE s.clinic_id = p_clinic_id
    ), 1440), 0));
END
$$;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION critical_hold_until TO carewire_app;

ALTER TABLE notifications ADD COLUMN held_until timestamptz;
CREATE INDEX notifications_held_due_idx ON notifications (held_until) WHERE held_until IS NOT NULL;
CREATE INDEX notifications_held_recipient_idx ON notifications (recipient_id) WHERE held_until IS NOT NULL;

-- record_holds is all that the planner and the sweep know of records: which were retracted, and until when they are held.
-- +goose StatementBegin
CREATE FUNCTION record_holds(p_ids uuid[]) RETURNS TABLE (id uuid, retracted boolean, held_until timestamptz)
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT
        r.id,
        r.status = 'entered-in-error',
        r.held_until
    FROM records AS r
    WHERE r.id = ANY (p_ids)
        AND (r.status = 'entered-in-error' OR r.held_until > now());
END;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION record_holds TO carewire_worker;

-- conversation_parts is all that the planner knows of conversations: who takes part in them now, and whether as the patient
-- whom one is about.
-- +goose StatementBegin
CREATE FUNCTION conversation_parts(p_ids uuid[]) RETURNS TABLE (conversation_id uuid, user_id uuid, as_patient boolean)
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT
        c.id,
        p.user_id,
        c.patient_id = p.user_id
    FROM conversations AS c
    JOIN conversation_participants AS p ON p.conversation_id = c.id AND p.left_at IS NULL
    WHERE c.id = ANY (p_ids);
END;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION conversation_parts TO carewire_worker;
