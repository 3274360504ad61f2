-- Clinical records of every kind in one table: what a list filters by is a column, the rest is the kind's own JSON.
-- The current version stands in records; what it replaced moves to record_versions in the same transaction, so that
-- a first write is one row here and one in the outbox.
-- +goose Up
SET lock_timeout = '5s';

CREATE TABLE records (
    id uuid NOT NULL,
    kind text NOT NULL,
    version bigint NOT NULL,
    status text NOT NULL,
    patient_id uuid NOT NULL,
    clinic_id uuid NOT NULL,
    doctor_id uuid NOT NULL,
    code_system text NOT NULL,
    code text NOT NULL,
    effective_at timestamptz NOT NULL,
    body json NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT records_pkey PRIMARY KEY (id),
    CONSTRAINT records_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES users (id),
    CONSTRAINT records_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT records_doctor_id_fkey FOREIGN KEY (doctor_id) REFERENCES users (id),
    CONSTRAINT records_version_positive CHECK (version > 0)
);
CREATE INDEX records_patient_idx ON records (patient_id, kind, effective_at DESC, id DESC);
CREATE INDEX records_clinic_idx ON records (clinic_id, kind, effective_at DESC, id DESC);
CREATE INDEX records_doctor_idx ON records (doctor_id, kind, effective_at DESC, id DESC);

CREATE TABLE record_versions (
    record_id uuid NOT NULL,
    version bigint NOT NULL,
    status text NOT NULL,
    doctor_id uuid NOT NULL,
    code_system text NOT NULL,
    code text NOT NULL,
    effective_at timestamptz NOT NULL,
    body json NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT record_versions_pkey PRIMARY KEY (record_id, version),
    CONSTRAINT record_versions_record_id_fkey FOREIGN KEY (record_id) REFERENCES records (id)
);

GRANT SELECT, INSERT, UPDATE ON records TO carewire_app;
GRANT SELECT, INSERT ON record_versions TO carewire_app;
