-- A patient may have no email address, and is told apart from others by birth date, sex and the number that the clinic keeps
-- their file under. None of these leaves the database but in an authorized REST answer.
-- +carewire allow validate users: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

ALTER TABLE users ALTER COLUMN email DROP NOT NULL;
-- Imported people without an address had one that no mail can reach (RFC 2606, section 2).
UPDATE users
SET
    email = NULL,
    email_verified = false
WHERE email = id::text || '@import.invalid';

ALTER TABLE users
    ADD COLUMN birth_date date,
    ADD COLUMN sex text;
-- The administrative gender of FHIR R4 (http://hl7.org/fhir/administrative-gender).
ALTER TABLE users ADD CONSTRAINT users_sex_known CHECK (sex IN ('male', 'female', 'other', 'unknown')) NOT VALID;
ALTER TABLE users ADD CONSTRAINT users_birth_date_plausible CHECK (birth_date >= '1850-01-01') NOT VALID;
ALTER TABLE users ADD CONSTRAINT users_email_or_not_verified CHECK (email IS NOT NULL OR NOT email_verified) NOT VALID;
ALTER TABLE users VALIDATE CONSTRAINT users_sex_known;
ALTER TABLE users VALIDATE CONSTRAINT users_birth_date_plausible;
ALTER TABLE users VALIDATE CONSTRAINT users_email_or_not_verified;

-- The number of a patient's file at a clinic (FHIR R4's identifier type MR).
CREATE TABLE medical_record_numbers (
    clinic_id uuid NOT NULL,
    user_id uuid NOT NULL,
    number text NOT NULL,
    CONSTRAINT medical_record_numbers_pkey PRIMARY KEY (clinic_id, user_id),
    CONSTRAINT medical_record_numbers_number_key UNIQUE (clinic_id, number),
    CONSTRAINT medical_record_numbers_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT medical_record_numbers_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT medical_record_numbers_number_length CHECK (char_length(number) BETWEEN 1 AND 64)
);
CREATE INDEX medical_record_numbers_user_id_idx ON medical_record_numbers (user_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON medical_record_numbers TO carewire_app;

ALTER TABLE medical_record_numbers ENABLE ROW LEVEL SECURITY;
CREATE POLICY medical_record_numbers_app ON medical_record_numbers TO carewire_app
    USING ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]) OR user_id = (SELECT scope_person()))
    WITH CHECK ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
