-- Two people prove to be one: the one who was registered by a clinic that did not know them, and the one who was known elsewhere
-- and has accepted the invitation. What was written about the first meanwhile becomes the second's.
-- +goose Up
SET lock_timeout = '5s';

-- person_merge gives all that is about p_from, or that they answer for, to p_into, and gives back the lines of care teams that
-- were changed, as they were. Roles and sign-ins are the service's to move. It knows nothing of clinics: whoever was registered
-- without a sign-in is known at the clinics that gave them roles.
-- +goose StatementBegin
CREATE FUNCTION person_merge(p_from uuid, p_into uuid) RETURNS SETOF care_team
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    -- A body names its patient and doctor again. It is changed as text: json keeps the digits of its numbers.
    UPDATE record_versions AS v
    SET
        doctor_id = CASE v.doctor_id WHEN p_from THEN p_into ELSE v.doctor_id END,
        body = replace(v.body::text, p_from::text, p_into::text)::json
    FROM records AS r
    WHERE r.id = v.record_id
        AND (r.patient_id = p_from OR r.doctor_id = p_from OR v.doctor_id = p_from);
    UPDATE records AS r
    SET
        patient_id = CASE r.patient_id WHEN p_from THEN p_into ELSE r.patient_id END,
        doctor_id = CASE r.doctor_id WHEN p_from THEN p_into ELSE r.doctor_id END,
        body = replace(r.body::text, p_from::text, p_into::text)::json
    WHERE r.patient_id = p_from
        OR r.doctor_id = p_from;
    UPDATE appointments SET patient_id = p_into WHERE patient_id = p_from;
    UPDATE appointments SET doctor_id = p_into WHERE doctor_id = p_from;
    UPDATE invoices SET patient_id = p_into WHERE patient_id = p_from;
    UPDATE conversations SET patient_id = p_into WHERE patient_id = p_from;
    UPDATE conversation_messages SET author_id = p_into WHERE author_id = p_from;
    DELETE FROM conversation_participants AS p
    WHERE p.user_id = p_from
        AND EXISTS (SELECT 1 FROM conversation_participants AS o WHERE o.conversation_id = p.conversation_id AND o.user_id = p_into);
    UPDATE conversation_participants SET user_id = p_into WHERE user_id = p_from;
    -- In one statement: the spans refer to the hours. Hours that p_into has at the clinic stay.
    WITH moving AS (
        SELECT h.clinic_id
        FROM doctor_hours AS h
        WHERE h.doctor_id = p_from
            AND NOT EXISTS (SELECT 1 FROM doctor_hours AS o WHERE o.clinic_id = h.clinic_id AND o.doctor_id = p_into)
    ), spans AS (
        DELETE FROM doctor_hours_spans AS s
        USING moving AS m
        WHERE s.clinic_id = m.clinic_id
            AND s.doctor_id = p_from
        RETURNING s.*
    ), hours AS (
        UPDATE doctor_hours AS h
        SET doctor_id = p_into
        FROM moving AS m
        WHERE h.clinic_id = m.clinic_id
            AND h.doctor_id = p_from
    )
    INSERT INTO doctor_hours_spans (clinic_id, doctor_id, weekday, opens_at, closes_at)
    SELECT s.clinic_id, p_into, s.weekday, s.opens_at, s.closes_at
    FROM spans AS s;
    UPDATE import_identifiers SET domain_id = p_into WHERE domain_id = p_from AND kind = 'user';
    UPDATE import_identifiers SET person_id = p_into WHERE person_id = p_from;
    UPDATE import_identifiers SET doctor_id = p_into WHERE doctor_id = p_from;
    UPDATE import_identifiers SET seen_doctor_id = p_into WHERE seen_doctor_id = p_from;
    RETURN QUERY
    WITH moved AS (
        DELETE FROM care_team AS t
        WHERE t.patient_id = p_from
            OR t.member_id = p_from
        RETURNING t.*
    ), joined AS (
        INSERT INTO care_team (patient_id, clinic_id, member_id, since)
        SELECT
            CASE WHEN m.patient_id = p_from THEN p_into ELSE m.patient_id END,
            m.clinic_id,
            CASE WHEN m.member_id = p_from THEN p_into ELSE m.member_id END,
            m.since
        FROM moved AS m
        ON CONFLICT ON CONSTRAINT care_team_pkey DO NOTHING
    )
    SELECT m.*
    FROM moved AS m;
END;
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION person_merge FROM PUBLIC;
GRANT EXECUTE ON FUNCTION person_merge TO carewire_app;
