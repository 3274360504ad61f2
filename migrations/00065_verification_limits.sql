-- Codes are limited for the person, for the address that receives them and for the network that asks for them. A message to a
-- number costs money and can bother its owner, and contact_verifications forgets a person's count when their number changes.
-- The keys are keyed hashes: the table holds no person, number or network. It is in no scope, as idempotency_keys.
-- +goose Up
SET lock_timeout = '5s';

CREATE TABLE verification_limits (
    kind text NOT NULL,
    key bytea NOT NULL,
    -- How many codes were asked for since window_at.
    asked integer NOT NULL DEFAULT 1,
    window_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT verification_limits_pkey PRIMARY KEY (kind, key),
    CONSTRAINT verification_limits_kind_known CHECK (kind IN ('person', 'address', 'caller')),
    CONSTRAINT verification_limits_key_length CHECK (octet_length(key) = 32)
);
CREATE INDEX verification_limits_window_at_idx ON verification_limits (window_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON verification_limits TO carewire_app;
