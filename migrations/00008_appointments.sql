-- Appointments: who sees whom, where and when, and how far it is. What was before stands in the ledger.
-- +goose Up
SET lock_timeout = '5s';

-- An exclusion constraint that compares a uuid needs it. It is a trusted extension: the owner may create it.
CREATE EXTENSION IF NOT EXISTS btree_gist;

-- historic marks what was brought in from elsewhere: two of those may have been in one slot.
CREATE TABLE appointments (
    id uuid NOT NULL,
    version bigint NOT NULL,
    clinic_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    doctor_id uuid NOT NULL,
    status text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    historic boolean NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT appointments_pkey PRIMARY KEY (id),
    CONSTRAINT appointments_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT appointments_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES users (id),
    CONSTRAINT appointments_doctor_id_fkey FOREIGN KEY (doctor_id) REFERENCES users (id),
    CONSTRAINT appointments_version_positive CHECK (version > 0),
    CONSTRAINT appointments_status_known CHECK (status IN ('requested', 'booked', 'confirmed', 'checked_in', 'completed', 'cancelled', 'no_show')),
    CONSTRAINT appointments_ends_after_start CHECK (ends_at > starts_at),
    CONSTRAINT appointments_patient_not_doctor CHECK (patient_id <> doctor_id),
    CONSTRAINT appointments_doctor_free EXCLUDE USING gist (doctor_id WITH =, tstzrange(starts_at, ends_at) WITH &&)
        WHERE (status IN ('booked', 'confirmed', 'checked_in') AND NOT historic),
    CONSTRAINT appointments_patient_free EXCLUDE USING gist (patient_id WITH =, tstzrange(starts_at, ends_at) WITH &&)
        WHERE (status IN ('booked', 'confirmed', 'checked_in') AND NOT historic)
);
CREATE INDEX appointments_patient_idx ON appointments (patient_id, starts_at, id);
CREATE INDEX appointments_doctor_idx ON appointments (doctor_id, starts_at, id);
CREATE INDEX appointments_clinic_idx ON appointments (clinic_id, starts_at, id);

GRANT SELECT, INSERT, UPDATE ON appointments TO carewire_app;
