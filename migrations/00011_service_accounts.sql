-- Other systems: each acts at one clinic under a service account, and tells of what happened with events of its own.
-- +goose Up
SET lock_timeout = '5s';

-- issuer and subject are what the identity provider puts into the iss and sub of the system's own (client-credentials)
-- tokens. An account is disabled, never deleted: the audit trail refers to it.
CREATE TABLE service_accounts (
    id uuid NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    clinic_id uuid NOT NULL,
    name text NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    status text NOT NULL DEFAULT 'active',
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    disabled_at timestamptz,
    CONSTRAINT service_accounts_pkey PRIMARY KEY (id),
    CONSTRAINT service_accounts_identity_key UNIQUE (issuer, subject),
    CONSTRAINT service_accounts_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT service_accounts_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT service_accounts_issuer_length CHECK (char_length(issuer) BETWEEN 1 AND 500),
    CONSTRAINT service_accounts_subject_length CHECK (char_length(subject) BETWEEN 1 AND 255),
    CONSTRAINT service_accounts_created_by_length CHECK (char_length(created_by) BETWEEN 1 AND 200),
    CONSTRAINT service_accounts_status_known CHECK (status IN ('active', 'disabled')),
    CONSTRAINT service_accounts_disabled_at_when_disabled CHECK ((status = 'disabled') = (disabled_at IS NOT NULL))
);
CREATE INDEX service_accounts_clinic_idx ON service_accounts (clinic_id, id);

-- Which events were accepted from whom: an id that comes again with the same content is a retry, with another it is a
-- mistake. The ledger alone cannot tell, as it drops an id that it knows. digest is the SHA-256 of the content.
CREATE TABLE accepted_events (
    event_id uuid NOT NULL,
    service_account_id uuid NOT NULL,
    digest bytea NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT accepted_events_pkey PRIMARY KEY (event_id),
    CONSTRAINT accepted_events_service_account_id_fkey FOREIGN KEY (service_account_id) REFERENCES service_accounts (id),
    CONSTRAINT accepted_events_digest_length CHECK (octet_length(digest) = 32)
);
CREATE INDEX accepted_events_service_account_idx ON accepted_events (service_account_id, accepted_at);

GRANT SELECT, INSERT ON service_accounts, accepted_events TO carewire_app;
GRANT UPDATE (version, name, status, disabled_at) ON service_accounts TO carewire_app;
