-- What a clinic offers appointments for, and how long each takes.
-- +carewire allow validate appointments: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +carewire allow create-index appointments: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

-- One that is no longer offered is inactive: appointments go on naming it.
CREATE TABLE visit_types (
    id uuid NOT NULL,
    version bigint NOT NULL,
    clinic_id uuid NOT NULL,
    name text NOT NULL,
    duration_minutes integer NOT NULL,
    active boolean NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT visit_types_pkey PRIMARY KEY (id),
    CONSTRAINT visit_types_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT visit_types_version_positive CHECK (version > 0),
    CONSTRAINT visit_types_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT visit_types_duration_bounds CHECK (duration_minutes BETWEEN 5 AND 1440)
);
-- Two that are offered at one clinic do not share a name, however it is written.
CREATE UNIQUE INDEX visit_types_name_key ON visit_types (clinic_id, lower(name)) WHERE active;
CREATE INDEX visit_types_clinic_idx ON visit_types (clinic_id, name, id);

-- Seen by everybody of the clinic, its patients too; written by those who work there.
ALTER TABLE visit_types ENABLE ROW LEVEL SECURITY;
CREATE POLICY visit_types_app_see ON visit_types FOR SELECT TO carewire_app USING (
    (SELECT scope_is('system'))
    OR clinic_id = ANY((SELECT scope_clinics())::uuid[])
    OR clinic_id = ANY((SELECT scope_patient_at())::uuid[])
);
CREATE POLICY visit_types_app_add ON visit_types FOR INSERT TO carewire_app
    WITH CHECK ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
CREATE POLICY visit_types_app_change ON visit_types FOR UPDATE TO carewire_app
    USING ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));

GRANT SELECT, INSERT, UPDATE ON visit_types TO carewire_app;

ALTER TABLE appointments ADD COLUMN visit_type_id uuid;
ALTER TABLE appointments ADD CONSTRAINT appointments_visit_type_id_fkey FOREIGN KEY (visit_type_id) REFERENCES visit_types (id) NOT VALID;
ALTER TABLE appointments VALIDATE CONSTRAINT appointments_visit_type_id_fkey;
CREATE INDEX appointments_visit_type_id_idx ON appointments (visit_type_id) WHERE visit_type_id IS NOT NULL;
