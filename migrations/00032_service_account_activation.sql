-- A service account is bound to its client by the client's own token and a code that is shown once to who registered it. Before,
-- an administrator could claim another clinic's client, or a person's subject, by naming it.
-- +carewire allow add-constraint service_accounts: a clinic has a handful of service accounts, so that the table is read in no time.
-- +carewire allow create-index service_accounts: a clinic has a handful of service accounts, so that the table is read in no time.
-- +goose Up
SET lock_timeout = '5s';

-- activated_at is when the client proved itself. activation_digest is the SHA-256 of the newest code; the accounts that there
-- are, and the seed's, are active and never had one. The default is for instances of the release before, which insert active ones.
ALTER TABLE service_accounts
    ADD COLUMN activated_at timestamptz DEFAULT now(),
    ADD COLUMN activation_digest bytea,
    ADD COLUMN activation_expires_at timestamptz;
UPDATE service_accounts SET activated_at = created_at;
ALTER TABLE service_accounts
    DROP CONSTRAINT service_accounts_identity_key,
    DROP CONSTRAINT service_accounts_status_known,
    ADD CONSTRAINT service_accounts_status_known CHECK (status IN ('pending', 'active', 'disabled')),
    ADD CONSTRAINT service_accounts_active_when_activated CHECK (status <> 'active' OR activated_at IS NOT NULL),
    ADD CONSTRAINT service_accounts_pending_until_activated CHECK (status <> 'pending' OR activated_at IS NULL),
    ADD CONSTRAINT service_accounts_client_key UNIQUE (clinic_id, issuer, subject),
    ADD CONSTRAINT service_accounts_activation_digest_length CHECK (octet_length(activation_digest) = 32),
    ADD CONSTRAINT service_accounts_activation_expires CHECK ((activation_digest IS NULL) = (activation_expires_at IS NULL));
CREATE UNIQUE INDEX service_accounts_identity_key ON service_accounts (issuer, subject) WHERE activated_at IS NOT NULL;
CREATE UNIQUE INDEX service_accounts_activation_digest_key ON service_accounts (activation_digest);
GRANT UPDATE (activated_at, activation_digest, activation_expires_at) ON service_accounts TO carewire_app;
