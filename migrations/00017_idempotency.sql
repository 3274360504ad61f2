-- What a client's Idempotency-Key stands for: the request that was carried out under it, by its hash, and what that wrote.
-- A row commits with the write itself; the answer is rendered anew from what is stored, so nothing is kept twice. Keys are
-- good for 24 hours.
-- +goose Up
SET lock_timeout = '5s';

CREATE TABLE idempotency_keys (
    actor_id text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    subject text NOT NULL,
    version bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (actor_id, key),
    CONSTRAINT idempotency_keys_key_length CHECK (char_length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_request_hash_length CHECK (octet_length(request_hash) = 32)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO carewire_app;
