-- People, clinics and who may act where. Every table is owned by carewire_owner; the service's roles get only what
-- they need, table by table.
-- +goose Up
SET lock_timeout = '5s';

CREATE TABLE clinics (
    id uuid NOT NULL,
    name text NOT NULL,
    time_zone text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT clinics_pkey PRIMARY KEY (id),
    CONSTRAINT clinics_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT clinics_time_zone_length CHECK (char_length(time_zone) BETWEEN 1 AND 64)
);

CREATE TABLE users (
    id uuid NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    email text NOT NULL,
    email_verified boolean NOT NULL DEFAULT false,
    given_name text NOT NULL,
    family_name text NOT NULL,
    phone text,
    phone_verified boolean NOT NULL DEFAULT false,
    locale text NOT NULL DEFAULT 'en',
    time_zone text NOT NULL DEFAULT 'UTC',
    status text NOT NULL DEFAULT 'active',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_email_lower CHECK (email = lower(email)),
    CONSTRAINT users_email_length CHECK (char_length(email) BETWEEN 3 AND 254),
    CONSTRAINT users_given_name_length CHECK (char_length(given_name) BETWEEN 1 AND 200),
    CONSTRAINT users_family_name_length CHECK (char_length(family_name) BETWEEN 1 AND 200),
    CONSTRAINT users_phone_e164 CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    CONSTRAINT users_locale_length CHECK (char_length(locale) BETWEEN 2 AND 35),
    CONSTRAINT users_time_zone_length CHECK (char_length(time_zone) BETWEEN 1 AND 64),
    CONSTRAINT users_status_known CHECK (status IN ('active', 'disabled'))
);
CREATE UNIQUE INDEX users_email_key ON users (email);

-- One person may sign in through several identity providers; one subject at one issuer is one person.
CREATE TABLE identities (
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id uuid NOT NULL,
    linked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT identities_pkey PRIMARY KEY (issuer, subject),
    CONSTRAINT identities_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX identities_user_id_idx ON identities (user_id);

-- clinic_id is null for the platform roles. A revoked membership stays: the audit trail refers to it.
CREATE TABLE memberships (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    clinic_id uuid,
    role text NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    CONSTRAINT memberships_pkey PRIMARY KEY (id),
    CONSTRAINT memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT memberships_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT memberships_role_known CHECK (role IN ('patient', 'doctor', 'nurse', 'receptionist', 'admin', 'auditor', 'operator')),
    CONSTRAINT memberships_clinic_or_platform CHECK ((clinic_id IS NULL) = (role IN ('auditor', 'operator')))
);
CREATE UNIQUE INDEX memberships_active_key ON memberships (user_id, role, clinic_id) NULLS NOT DISTINCT WHERE revoked_at IS NULL;
CREATE INDEX memberships_clinic_role_idx ON memberships (clinic_id, role, user_id) WHERE revoked_at IS NULL;

-- What a request needs to know of who makes it, in one look-up.
CREATE VIEW actors AS
SELECT
    u.id,
    u.status,
    coalesce((
        SELECT jsonb_agg(jsonb_build_object('clinicId', m.clinic_id, 'role', m.role) ORDER BY m.granted_at, m.id)
        FROM memberships AS m
        WHERE m.user_id = u.id
            AND m.revoked_at IS NULL
    ), '[]')::jsonb AS memberships
FROM users AS u;

-- Who cares for a patient at a clinic: what lets a doctor or nurse read that patient's records there.
CREATE TABLE care_team (
    patient_id uuid NOT NULL,
    clinic_id uuid NOT NULL,
    member_id uuid NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT care_team_pkey PRIMARY KEY (patient_id, clinic_id, member_id),
    CONSTRAINT care_team_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES users (id),
    CONSTRAINT care_team_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT care_team_member_id_fkey FOREIGN KEY (member_id) REFERENCES users (id)
);
CREATE INDEX care_team_member_idx ON care_team (member_id, clinic_id);
CREATE INDEX care_team_clinic_idx ON care_team (clinic_id);

-- A push token belongs to one person at a time: who registers it last has it.
CREATE TABLE devices (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    platform text NOT NULL,
    token text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT devices_pkey PRIMARY KEY (id),
    CONSTRAINT devices_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT devices_token_key UNIQUE (token),
    CONSTRAINT devices_platform_known CHECK (platform IN ('android', 'ios', 'web')),
    CONSTRAINT devices_token_length CHECK (char_length(token) BETWEEN 1 AND 4096)
);
CREATE INDEX devices_user_id_idx ON devices (user_id);

-- What a person does not want: a row with enabled = false. No row means yes.
CREATE TABLE preferences (
    user_id uuid NOT NULL,
    category text NOT NULL,
    channel text NOT NULL,
    enabled boolean NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT preferences_pkey PRIMARY KEY (user_id, category, channel),
    CONSTRAINT preferences_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);

-- A browser's session after /login. Only digests of the secrets are kept: a reader of this table cannot sign in.
CREATE TABLE web_sessions (
    digest bytea NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT web_sessions_pkey PRIMARY KEY (digest),
    CONSTRAINT web_sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT web_sessions_digest_length CHECK (octet_length(digest) = 32)
);
CREATE INDEX web_sessions_user_id_idx ON web_sessions (user_id);
CREATE INDEX web_sessions_expires_at_idx ON web_sessions (expires_at);

-- A socket ticket is good once, on any instance: taking it deletes the row.
CREATE TABLE socket_tickets (
    digest bytea NOT NULL,
    user_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    session_expires_at timestamptz NOT NULL,
    CONSTRAINT socket_tickets_pkey PRIMARY KEY (digest),
    CONSTRAINT socket_tickets_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT socket_tickets_digest_length CHECK (octet_length(digest) = 32)
);
CREATE INDEX socket_tickets_user_id_idx ON socket_tickets (user_id);
CREATE INDEX socket_tickets_expires_at_idx ON socket_tickets (expires_at);

-- Secrets that every instance must share (the MAC of cursors) and marks that outlive a process (who seeded this database).
CREATE TABLE service_settings (
    name text NOT NULL,
    value bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT service_settings_pkey PRIMARY KEY (name)
);

GRANT SELECT, INSERT, UPDATE ON clinics, users, memberships TO carewire_app;
GRANT SELECT ON actors TO carewire_app;
GRANT SELECT, INSERT ON identities, service_settings TO carewire_app;
GRANT SELECT, INSERT, DELETE ON care_team TO carewire_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON devices, preferences TO carewire_app;
GRANT SELECT, INSERT, DELETE ON web_sessions, socket_tickets TO carewire_app;
GRANT SELECT ON clinics, users, memberships, care_team, devices, preferences TO carewire_worker;
GRANT SELECT, INSERT ON service_settings TO carewire_worker;
GRANT DELETE ON devices, web_sessions, socket_tickets TO carewire_worker;
GRANT SELECT (digest, expires_at) ON web_sessions, socket_tickets TO carewire_worker;
