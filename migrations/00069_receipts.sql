-- Delivery receipts of the providers, and the addresses to which no more messages are sent.
-- +goose Up
SET lock_timeout = '5s';

-- One row per receipt, so that a receipt that is sent again has no effect. receipt_id is the provider's id of the receipt, or the
-- id of the message with the status. provider_id is the provider's id of the message; delivery_id is ours, where the provider
-- returned it. id is a UUIDv7, the order of arrival. applied_at is null while no delivery matches: a receipt can come before
-- the send is committed. address_hash is address_hash() of the address in the receipt; the address itself is not stored.
CREATE TABLE receipts (
    provider text NOT NULL,
    receipt_id text NOT NULL,
    id uuid NOT NULL,
    channel text NOT NULL,
    delivery_id uuid,
    provider_id text NOT NULL,
    status text NOT NULL,
    code text NOT NULL,
    suppression text,
    address_hash bytea,
    at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    applied_at timestamptz,
    CONSTRAINT receipts_pkey PRIMARY KEY (provider, receipt_id),
    CONSTRAINT receipts_receipt_id_length CHECK (char_length(receipt_id) BETWEEN 1 AND 300),
    CONSTRAINT receipts_provider_id_length CHECK (char_length(provider_id) <= 200),
    CONSTRAINT receipts_status_known CHECK (status IN ('sent', 'delivered', 'read', 'failed', 'complained'))
);
-- Those that wait for their send. There are few: they are found by id, by our id of the delivery, and by the provider's.
CREATE INDEX receipts_waiting_idx ON receipts (id) WHERE applied_at IS NULL;
CREATE INDEX receipts_waiting_delivery_idx ON receipts (delivery_id) WHERE applied_at IS NULL;
CREATE INDEX receipts_waiting_provider_idx ON receipts (provider_id) WHERE applied_at IS NULL;
-- For the sweep, which deletes old ones.
CREATE INDEX receipts_received_idx ON receipts (received_at);

-- An address that gets no more messages. kind is that of the address (care.AddressKind); channel is the channel on which the
-- reason arose. user_id is the person to whom the message was addressed.
CREATE TABLE suppressions (
    kind text NOT NULL,
    address_hash bytea NOT NULL,
    id uuid NOT NULL,
    channel text NOT NULL,
    reason text NOT NULL,
    source text NOT NULL,
    user_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT suppressions_pkey PRIMARY KEY (kind, address_hash),
    CONSTRAINT suppressions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT suppressions_kind_known CHECK (kind IN ('email', 'phone', 'whatsapp')),
    CONSTRAINT suppressions_reason_known CHECK (reason IN ('hard_bounce', 'complaint', 'opted_out'))
);
CREATE UNIQUE INDEX suppressions_id_key ON suppressions (id);
CREATE INDEX suppressions_created_idx ON suppressions (created_at DESC, id DESC);
CREATE INDEX suppressions_user_id_idx ON suppressions (user_id);

ALTER TABLE receipts ENABLE ROW LEVEL SECURITY;
CREATE POLICY receipts_worker ON receipts TO carewire_worker USING (true);
ALTER TABLE suppressions ENABLE ROW LEVEL SECURITY;
CREATE POLICY suppressions_worker ON suppressions TO carewire_worker USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON receipts TO carewire_worker;
GRANT SELECT, INSERT, DELETE ON suppressions TO carewire_worker;

-- The key of address_hash: 244 random bits. carewire_app cannot read this table. It never changes, as the hashes would no longer match.
INSERT INTO service_settings (name, value)
VALUES ('address_key', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'))
ON CONFLICT (name) DO NOTHING;

-- address_hash returns the SHA-256 of key, kind and address. A phone number has few digits: without the key, all numbers could be
-- hashed and compared. An HMAC would need the extension pgcrypto; it protects against appending to the hashed text, which is of no
-- use here, because nobody outside the database sees or sends a hash.
CREATE FUNCTION address_hash(p_kind text, p_address text) RETURNS bytea
LANGUAGE sql
STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT sha256(s.value || convert_to(p_kind || ':' || p_address, 'UTF8'))
    FROM service_settings AS s
    WHERE s.name = 'address_key'
$$;

-- address_suppression returns why no messages are sent to the address, or NULL. It is PL/pgSQL because that keeps its plan for the session.
-- +goose StatementBegin
CREATE FUNCTION address_suppression(p_kind text, p_address text) RETURNS text
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT s.reason
        FROM service_settings AS k
        JOIN suppressions AS s ON s.kind = p_kind AND s.address_hash = sha256(k.value || convert_to(p_kind || ':' || p_address, 'UTF8'))
        WHERE k.name = 'address_key'
    );
END
$$;
-- +goose StatementEnd

-- lift_suppression removes the suppression of an address, and returns its reason; NULL if there was none.
CREATE FUNCTION lift_suppression(p_kind text, p_address text) RETURNS text
LANGUAGE sql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    DELETE FROM suppressions AS s
    WHERE s.kind = p_kind
        AND s.address_hash = public.address_hash(p_kind, p_address)
    RETURNING s.reason
$$;

-- The state of an address of the kind, of which p_suppressed is the reason of a suppression or NULL. Queries of many people look the
-- reasons up themselves: a call of address_suppression for each costs more than the rest of the query.
CREATE FUNCTION user_address_state(u users, p_kind text, p_has_device boolean, p_suppressed text) RETURNS text
LANGUAGE sql
STABLE
RETURN CASE
    WHEN u.deceased_on IS NOT NULL THEN 'deceased'
    ELSE CASE p_kind
        WHEN 'email' THEN CASE
            WHEN u.email IS NULL THEN 'none'
            ELSE coalesce('suppressed:' || p_suppressed, CASE WHEN u.email_verified THEN 'verified' ELSE 'unverified' END)
        END
        WHEN 'phone' THEN CASE
            WHEN u.phone IS NULL THEN 'none'
            ELSE coalesce('suppressed:' || p_suppressed, CASE WHEN u.phone_verified THEN 'verified' ELSE 'unverified' END)
        END
        WHEN 'whatsapp' THEN CASE
            WHEN u.whatsapp IS NULL THEN 'none'
            ELSE coalesce('suppressed:' || p_suppressed, CASE WHEN u.whatsapp_verified THEN 'verified' ELSE 'unverified' END)
        END
        WHEN 'devices' THEN CASE WHEN p_has_device THEN 'verified' ELSE 'none' END
        WHEN 'none' THEN 'verified'
        ELSE 'none'
    END
END;

-- As before, and 'suppressed:' with the reason where the address gets no more messages: fallback and redrive see
-- it here. The look-up is made only for people who have an address of the kind.
CREATE OR REPLACE FUNCTION user_address_state(u users, p_kind text, p_has_device boolean) RETURNS text
LANGUAGE sql
STABLE
RETURN user_address_state(u, p_kind, p_has_device, CASE
    WHEN p_kind = 'email' AND u.email IS NOT NULL THEN address_suppression('email', u.email)
    WHEN p_kind = 'phone' AND u.phone IS NOT NULL THEN address_suppression('phone', u.phone)
    WHEN p_kind = 'whatsapp' AND u.whatsapp IS NOT NULL THEN address_suppression('whatsapp', u.whatsapp)
END);

REVOKE ALL ON FUNCTION address_hash, address_suppression, lift_suppression, user_address_state(users, text, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION user_address_state(users, text, boolean, text) TO carewire_app, carewire_worker;
GRANT EXECUTE ON FUNCTION address_hash TO carewire_worker;
GRANT EXECUTE ON FUNCTION address_suppression, lift_suppression TO carewire_app, carewire_worker;
