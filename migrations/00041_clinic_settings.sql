-- How each clinic works, as far as it may choose. A clinic without a row has the defaults of the columns.
-- +goose Up
SET lock_timeout = '5s';

CREATE TABLE clinic_settings (
    clinic_id uuid NOT NULL,
    version bigint NOT NULL,
    critical_hold_minutes integer NOT NULL DEFAULT 1440,
    appointment_max_minutes integer NOT NULL DEFAULT 480,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT clinic_settings_pkey PRIMARY KEY (clinic_id),
    CONSTRAINT clinic_settings_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT clinic_settings_version_positive CHECK (version > 0),
    CONSTRAINT clinic_settings_critical_hold_range CHECK (critical_hold_minutes BETWEEN 0 AND 10080),
    CONSTRAINT clinic_settings_appointment_max_range CHECK (appointment_max_minutes BETWEEN 5 AND 1440)
);

-- As clinics: nothing here is about a person, so there is no policy.
GRANT SELECT, INSERT, UPDATE ON clinic_settings TO carewire_app;
GRANT SELECT ON clinic_settings TO carewire_worker;
