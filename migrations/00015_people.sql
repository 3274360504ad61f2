-- People, whole: a WhatsApp number of its own, addresses that are proved by a code, and invitations. Of codes and of the
-- tokens in messages only digests are kept: each is made when its message is sent, and stands nowhere else.
-- +goose Up
SET lock_timeout = '5s';

ALTER TABLE users
    ADD COLUMN whatsapp text,
    ADD COLUMN whatsapp_verified boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT users_whatsapp_e164 CHECK (whatsapp ~ '^\+[1-9][0-9]{6,14}$');
-- What proves to be one person's is nobody else's. (An email address is anyhow.)
CREATE UNIQUE INDEX users_phone_verified_key ON users (phone) WHERE phone_verified;
CREATE UNIQUE INDEX users_whatsapp_verified_key ON users (whatsapp) WHERE whatsapp_verified;

-- A person's one open question whether an address is theirs. digest is null until the message with the code is sent.
CREATE TABLE contact_verifications (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    digest bytea,
    attempts integer NOT NULL DEFAULT 0,
    expires_at timestamptz,
    requested_at timestamptz NOT NULL DEFAULT now(),
    -- How many were asked for since window_at.
    asked integer NOT NULL DEFAULT 1,
    window_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT contact_verifications_pkey PRIMARY KEY (user_id, channel),
    CONSTRAINT contact_verifications_id_key UNIQUE (id),
    CONSTRAINT contact_verifications_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT contact_verifications_channel_known CHECK (channel IN ('email', 'sms', 'whatsapp'))
);

-- Somebody is asked to join a clinic in these roles, or, without roles, to take over the account that was made for them.
-- user_id is null where nobody could be told: the clinic must not learn from an invitation who is known elsewhere.
CREATE TABLE invitations (
    id uuid NOT NULL,
    clinic_id uuid NOT NULL,
    user_id uuid,
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    CONSTRAINT invitations_pkey PRIMARY KEY (id),
    CONSTRAINT invitations_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT invitations_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT invitations_roles_known CHECK (roles <@ '{patient,doctor,nurse,receptionist,admin}')
);
CREATE INDEX invitations_clinic_id_idx ON invitations (clinic_id);
CREATE INDEX invitations_user_id_idx ON invitations (user_id, created_at DESC);

-- One for each message: a repeated message carries another token, and the first still works.
CREATE TABLE invitation_tokens (
    digest bytea NOT NULL,
    invitation_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT invitation_tokens_pkey PRIMARY KEY (digest),
    CONSTRAINT invitation_tokens_invitation_id_fkey FOREIGN KEY (invitation_id) REFERENCES invitations (id),
    CONSTRAINT invitation_tokens_digest_length CHECK (octet_length(digest) = 32)
);
CREATE INDEX invitation_tokens_invitation_id_idx ON invitation_tokens (invitation_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON contact_verifications TO carewire_app;
GRANT SELECT, INSERT, UPDATE ON invitations TO carewire_app;
GRANT SELECT, DELETE ON invitation_tokens TO carewire_app;
GRANT SELECT, UPDATE ON contact_verifications TO carewire_worker;
GRANT SELECT ON invitations TO carewire_worker;
GRANT SELECT, INSERT ON invitation_tokens TO carewire_worker;

ALTER TABLE contact_verifications ENABLE ROW LEVEL SECURITY;
CREATE POLICY contact_verifications_app ON contact_verifications TO carewire_app
    USING ((SELECT scope_is('system')) OR user_id = (SELECT scope_person()));
CREATE POLICY contact_verifications_worker ON contact_verifications TO carewire_worker USING (true);
ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
CREATE POLICY invitations_app ON invitations TO carewire_app
    USING ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]) OR user_id = (SELECT scope_person()))
    WITH CHECK ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
CREATE POLICY invitations_worker ON invitations TO carewire_worker USING (true);

-- invitee finds whom an address certainly belongs to, at whichever clinic. What is found goes into an invitation and an
-- event for that person alone, and into no answer.
CREATE FUNCTION invitee(p_email text) RETURNS uuid
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
RETURN (SELECT u.id FROM users AS u WHERE u.email = lower(p_email) AND u.email_verified AND u.status = 'active');

-- contacts_withdraw ends what was sent to an address that is not the person's any more: open invitations' tokens, and the
-- code under way on each channel named.
-- +goose StatementBegin
CREATE FUNCTION contacts_withdraw(p_user_id uuid, p_channels text[]) RETURNS void
LANGUAGE sql
SECURITY DEFINER
SET search_path = public, pg_temp
BEGIN ATOMIC
    DELETE FROM contact_verifications AS v
    WHERE v.user_id = p_user_id
        AND v.channel = ANY(p_channels);
    DELETE FROM invitation_tokens AS t
    USING invitations AS i
    WHERE i.id = t.invitation_id
        AND i.user_id = p_user_id
        AND 'email' = ANY(p_channels);
END;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION invitee, contacts_withdraw FROM PUBLIC;
GRANT EXECUTE ON FUNCTION invitee, contacts_withdraw TO carewire_app;
