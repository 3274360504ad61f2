-- Functions with their owner's rights look further than their caller's scope, so each returns no more than its caller needs.
-- appointments_taken returned whole rows of any clinic, over any time, also to a session without a scope.
-- +goose Up
SET lock_timeout = '5s';

DROP FUNCTION appointments_busy;
DROP FUNCTION appointments_taken;

-- appointments_taken returns when the doctor or the patient is taken in that time, at whichever clinic, but for the
-- appointment p_id itself. id is null unless the appointment is in the caller's scope, where the caller may read the rest of
-- it. A caller without a scope gets nothing. The time must be given and at most 62 days long: a day is asked for at once, or
-- the fortnight in which free times are looked for. The two halves have an exclusion constraint's index each, which a query
-- under a policy could not use: && is not leakproof.
-- +goose StatementBegin
CREATE FUNCTION appointments_taken(p_doctor_id uuid, p_patient_id uuid, p_starts_at timestamptz, p_ends_at timestamptz, p_id uuid)
RETURNS TABLE (id uuid, starts_at timestamptz, ends_at timestamptz)
LANGUAGE plpgsql STABLE
ROWS 2
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_system boolean := scope_is('system');
    v_person uuid := scope_person();
    v_clinics uuid[] := scope_clinics();
BEGIN
    IF NOT coalesce(isfinite(p_starts_at) AND p_ends_at >= p_starts_at AND p_ends_at <= p_starts_at + interval '62 days', false) THEN
        RAISE EXCEPTION 'appointments are looked for in at most 62 days at once' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT v_system AND v_person IS NULL AND cardinality(v_clinics) = 0 THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT
        CASE WHEN v_system OR t.clinic_id = ANY(v_clinics) OR t.patient_id = v_person THEN t.id END,
        t.starts_at,
        t.ends_at
    FROM (
        SELECT a.id, a.clinic_id, a.patient_id, a.starts_at, a.ends_at
        FROM appointments AS a
        WHERE a.doctor_id = p_doctor_id
            AND a.status IN ('booked', 'confirmed', 'checked_in')
            AND NOT a.historic
            AND tstzrange(a.starts_at, a.ends_at) && tstzrange(p_starts_at, p_ends_at)
            AND a.id <> p_id
        UNION
        SELECT a.id, a.clinic_id, a.patient_id, a.starts_at, a.ends_at
        FROM appointments AS a
        WHERE a.patient_id = p_patient_id
            AND a.status IN ('booked', 'confirmed', 'checked_in')
            AND NOT a.historic
            AND tstzrange(a.starts_at, a.ends_at) && tstzrange(p_starts_at, p_ends_at)
            AND a.id <> p_id
    ) AS t;
END
$$;
-- +goose StatementEnd

-- As before, on what appointments_taken returns now: times and nothing else. Spans that touch are one, so that it does not
-- even show how many there are.
-- +goose StatementBegin
CREATE FUNCTION appointments_busy(p_doctor_id uuid, p_patient_id uuid, p_starts_at timestamptz, p_ends_at timestamptz, p_id uuid)
RETURNS TABLE (starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT
        lower(b.span),
        upper(b.span)
    FROM unnest((
        SELECT range_agg(tstzrange(a.starts_at, a.ends_at)) * tstzmultirange(tstzrange(p_starts_at, p_ends_at))
        FROM appointments_taken(p_doctor_id, p_patient_id, p_starts_at, p_ends_at, p_id) AS a
    )) AS b (span);
END;
-- +goose StatementEnd

-- device_release takes a push token from whoever else has it, and returns what the event about that says; it returned the
-- whole row.
DROP FUNCTION device_release;
-- +goose StatementBegin
CREATE FUNCTION device_release(p_token text, p_user_id uuid)
RETURNS TABLE (id uuid, user_id uuid, platform text)
LANGUAGE sql
ROWS 1
SECURITY DEFINER
SET search_path = public, pg_temp
BEGIN ATOMIC
    DELETE FROM devices AS d
    WHERE d.token = p_token
        AND d.user_id <> p_user_id
    RETURNING d.id, d.user_id, d.platform;
END;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION appointments_taken, appointments_busy, device_release FROM PUBLIC;
GRANT EXECUTE ON FUNCTION appointments_taken, appointments_busy, device_release TO carewire_app;
