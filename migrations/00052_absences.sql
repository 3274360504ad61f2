-- What a week of hours cannot say: leave, closing days, and hours on one day only.
-- +goose Up
SET lock_timeout = '5s';

-- doctor_id is null where the whole clinic is closed. An opening adds to a doctor's hours, the other kinds take from them.
CREATE TABLE absences (
    id uuid NOT NULL,
    clinic_id uuid NOT NULL,
    doctor_id uuid,
    kind text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    note text NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    CONSTRAINT absences_pkey PRIMARY KEY (id),
    CONSTRAINT absences_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT absences_doctor_id_fkey FOREIGN KEY (doctor_id) REFERENCES users (id),
    CONSTRAINT absences_kind_known CHECK (kind IN ('leave', 'closed', 'opening')),
    CONSTRAINT absences_doctor_named CHECK (doctor_id IS NOT NULL OR kind = 'closed'),
    CONSTRAINT absences_ends_after_start CHECK (ends_at > starts_at),
    CONSTRAINT absences_note_length CHECK (char_length(note) <= 200)
);
CREATE INDEX absences_clinic_idx ON absences (clinic_id, starts_at, id);
-- Those that are not over, of which there are few.
CREATE INDEX absences_clinic_end_idx ON absences (clinic_id, ends_at);
CREATE INDEX absences_doctor_id_idx ON absences (doctor_id);

-- Seen by those who work at the clinic and, as a doctor's hours are, by its patients; written by those who work there.
ALTER TABLE absences ENABLE ROW LEVEL SECURITY;
CREATE POLICY absences_app_see ON absences FOR SELECT TO carewire_app USING (
    (SELECT scope_is('system'))
    OR clinic_id = ANY((SELECT scope_clinics())::uuid[])
    OR clinic_id = ANY((SELECT scope_patient_at())::uuid[])
);
CREATE POLICY absences_app_add ON absences FOR INSERT TO carewire_app
    WITH CHECK ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
CREATE POLICY absences_app_remove ON absences FOR DELETE TO carewire_app
    USING ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));

GRANT SELECT, INSERT, DELETE ON absences TO carewire_app;

-- As before, and a doctor's absences become those of who they proved to be.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION person_merge(p_from uuid, p_into uuid) RETURNS SETOF care_team
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
    UPDATE absences SET doctor_id = p_into WHERE doctor_id = p_from;
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
