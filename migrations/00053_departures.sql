-- Who leaves a clinic, is disabled or dies leaves appointments behind, which somebody must arrange again. Each is told of by an event,
-- and lists find them.
-- +goose Up
SET lock_timeout = '5s';

-- A departure whose appointments were not all told of yet: those behind (after_time, after_id) are still to come. It is
-- deleted when they have been.
CREATE TABLE appointment_departures (
    clinic_id uuid NOT NULL,
    person_id uuid NOT NULL,
    role text NOT NULL,
    left_at timestamptz NOT NULL,
    after_time timestamptz NOT NULL,
    after_id uuid NOT NULL,
    CONSTRAINT appointment_departures_pkey PRIMARY KEY (clinic_id, person_id, role),
    CONSTRAINT appointment_departures_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT appointment_departures_person_id_fkey FOREIGN KEY (person_id) REFERENCES users (id),
    CONSTRAINT appointment_departures_role_known CHECK (role IN ('doctor', 'patient'))
);
CREATE INDEX appointment_departures_person_id_idx ON appointment_departures (person_id);

ALTER TABLE appointment_departures ENABLE ROW LEVEL SECURITY;
CREATE POLICY appointment_departures_app ON appointment_departures TO carewire_app
    USING ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));

GRANT SELECT, UPDATE, DELETE ON appointment_departures TO carewire_app;

-- One row for each departure, however many appointments: the transaction that takes the role stays short.
-- +goose StatementBegin
CREATE FUNCTION membership_departs() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO appointment_departures (clinic_id, person_id, role, left_at, after_time, after_id)
    VALUES (NEW.clinic_id, NEW.user_id, NEW.role, now(), now(), '00000000-0000-0000-0000-000000000000')
    ON CONFLICT ON CONSTRAINT appointment_departures_pkey DO UPDATE
    SET
        left_at = excluded.left_at,
        after_time = excluded.after_time,
        after_id = excluded.after_id;
    RETURN NULL;
END;
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION user_departs() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO appointment_departures (clinic_id, person_id, role, left_at, after_time, after_id)
    SELECT m.clinic_id, m.user_id, m.role, now(), now(), '00000000-0000-0000-0000-000000000000'
    FROM memberships AS m
    WHERE m.user_id = NEW.id
        AND m.role IN ('doctor', 'patient')
        AND m.clinic_id IS NOT NULL
        AND m.revoked_at IS NULL
    ON CONFLICT ON CONSTRAINT appointment_departures_pkey DO UPDATE
    SET
        left_at = excluded.left_at,
        after_time = excluded.after_time,
        after_id = excluded.after_id;
    RETURN NULL;
END;
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION membership_departs, user_departs FROM PUBLIC;
CREATE TRIGGER memberships_depart AFTER UPDATE OF revoked_at ON memberships
    FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL AND NEW.clinic_id IS NOT NULL AND NEW.role IN ('doctor', 'patient'))
    EXECUTE FUNCTION membership_departs();
CREATE TRIGGER users_depart AFTER UPDATE OF status, deceased_on ON users
    FOR EACH ROW
    WHEN ((OLD.status = 'active' AND NEW.status <> 'active') OR (OLD.deceased_on IS NULL AND NEW.deceased_on IS NOT NULL))
    EXECUTE FUNCTION user_departs();

-- membership_state returns why a person cannot act in a role at a clinic: 'left' where they do not hold it, 'deceased',
-- 'disabled', or '' where they can. Outside the caller's clinics everybody has left. It is looked up for each row of a list: under the policies
-- of memberships and users each look-up would read all that the caller may see of them.
-- +goose StatementBegin
CREATE FUNCTION membership_state(p_user_id uuid, p_clinic_id uuid, p_role text) RETURNS text
LANGUAGE plpgsql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_state text;
BEGIN
    IF NOT (scope_is('system') OR p_clinic_id = ANY(scope_clinics()) OR p_clinic_id = ANY(scope_patient_at())) THEN
        RETURN 'left';
    END IF;
    SELECT CASE WHEN u.deceased_on IS NOT NULL THEN 'deceased' WHEN u.status <> 'active' THEN 'disabled' ELSE '' END
    INTO v_state
    FROM memberships AS m
    JOIN users AS u ON u.id = m.user_id
    WHERE m.user_id = p_user_id
        AND m.clinic_id = p_clinic_id
        AND m.role = p_role
        AND m.revoked_at IS NULL;
    RETURN coalesce(v_state, 'left');
END;
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION membership_state FROM PUBLIC;
GRANT EXECUTE ON FUNCTION membership_state TO carewire_app;

-- Open appointments to come that somebody must look at, and why: the doctor or the patient left the clinic, was disabled or died,
-- or the doctor is absent then. It has the rights and the row-level security of who asks.
CREATE VIEW appointment_attention WITH (security_invoker = true) AS
SELECT
    a.id,
    CASE WHEN w.doctor_state <> '' THEN 'doctor_' || w.doctor_state END AS doctor_reason,
    CASE WHEN w.patient_state <> '' THEN 'patient_' || w.patient_state END AS patient_reason,
    w.absent
FROM appointments AS a
CROSS JOIN LATERAL (
    SELECT
        membership_state(a.doctor_id, a.clinic_id, 'doctor') AS doctor_state,
        membership_state(a.patient_id, a.clinic_id, 'patient') AS patient_state,
        EXISTS (
            SELECT 1
            FROM absences AS b
            WHERE b.clinic_id = a.clinic_id
                AND (b.doctor_id IS NULL OR b.doctor_id = a.doctor_id)
                AND b.kind <> 'opening'
                AND b.starts_at < a.ends_at
                AND b.ends_at > a.starts_at
        ) AS absent
) AS w
WHERE a.status IN ('requested', 'booked', 'confirmed')
    AND a.ends_at > now()
    AND (w.doctor_state <> '' OR w.patient_state <> '' OR w.absent);
GRANT SELECT ON appointment_attention TO carewire_app;
