-- When doctors see patients, week by week at each clinic, and what of a doctor's time is not to be had.
-- +goose Up
SET lock_timeout = '5s';

-- A doctor without a row here has the hours that the service takes for granted; one with a row and no spans sees nobody.
CREATE TABLE doctor_hours (
    id uuid NOT NULL,
    version bigint NOT NULL,
    clinic_id uuid NOT NULL,
    doctor_id uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT doctor_hours_pkey PRIMARY KEY (id),
    CONSTRAINT doctor_hours_doctor_key UNIQUE (clinic_id, doctor_id),
    CONSTRAINT doctor_hours_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT doctor_hours_doctor_id_fkey FOREIGN KEY (doctor_id) REFERENCES users (id),
    CONSTRAINT doctor_hours_version_positive CHECK (version > 0)
);
CREATE INDEX doctor_hours_doctor_id_idx ON doctor_hours (doctor_id);

-- Times are what the clock on the clinic's wall shows; a day ends at 24:00. Weekdays are ISO 8601's: 1 is Monday.
CREATE TABLE doctor_hours_spans (
    clinic_id uuid NOT NULL,
    doctor_id uuid NOT NULL,
    weekday smallint NOT NULL,
    opens_at time NOT NULL,
    closes_at time NOT NULL,
    CONSTRAINT doctor_hours_spans_pkey PRIMARY KEY (clinic_id, doctor_id, weekday, opens_at),
    CONSTRAINT doctor_hours_spans_hours_fkey FOREIGN KEY (clinic_id, doctor_id) REFERENCES doctor_hours (clinic_id, doctor_id),
    CONSTRAINT doctor_hours_spans_weekday_iso CHECK (weekday BETWEEN 1 AND 7),
    CONSTRAINT doctor_hours_spans_closes_after_open CHECK (closes_at > opens_at),
    CONSTRAINT doctor_hours_spans_apart EXCLUDE USING gist (
        clinic_id WITH =,
        doctor_id WITH =,
        weekday WITH =,
        numrange(extract(EPOCH FROM opens_at), extract(EPOCH FROM closes_at)) WITH &&
    )
);

-- Seen by those who work at the clinic and by its patients; written by those who work there.
ALTER TABLE doctor_hours ENABLE ROW LEVEL SECURITY;
CREATE POLICY doctor_hours_app_see ON doctor_hours FOR SELECT TO carewire_app USING (
    (SELECT scope_is('system'))
    OR clinic_id = ANY((SELECT scope_clinics())::uuid[])
    OR clinic_id = ANY((SELECT scope_patient_at())::uuid[])
);
CREATE POLICY doctor_hours_app_set ON doctor_hours FOR INSERT TO carewire_app
    WITH CHECK ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
CREATE POLICY doctor_hours_app_change ON doctor_hours FOR UPDATE TO carewire_app
    USING ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
ALTER TABLE doctor_hours_spans ENABLE ROW LEVEL SECURITY;
CREATE POLICY doctor_hours_spans_app_see ON doctor_hours_spans FOR SELECT TO carewire_app USING (
    (SELECT scope_is('system'))
    OR clinic_id = ANY((SELECT scope_clinics())::uuid[])
    OR clinic_id = ANY((SELECT scope_patient_at())::uuid[])
);
CREATE POLICY doctor_hours_spans_app_set ON doctor_hours_spans FOR INSERT TO carewire_app
    WITH CHECK ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
CREATE POLICY doctor_hours_spans_app_drop ON doctor_hours_spans FOR DELETE TO carewire_app
    USING ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));

GRANT SELECT, INSERT, UPDATE ON doctor_hours TO carewire_app;
GRANT SELECT, INSERT, DELETE ON doctor_hours_spans TO carewire_app;

-- appointments_busy tells when the doctor or the patient is taken in that time, at whichever clinic, but for the
-- appointment p_id: times and nothing else. Spans that touch are one, so that it does not even tell how many there are.
-- It sees no more than its caller: what crosses clinics is appointments_taken.
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
REVOKE ALL ON FUNCTION appointments_busy FROM PUBLIC;
GRANT EXECUTE ON FUNCTION appointments_busy TO carewire_app;
