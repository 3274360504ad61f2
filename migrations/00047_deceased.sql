-- A death is a fact about a person and apart from whether their account is disabled: nobody signs in as them, nothing is sent to
-- them, and what is about them goes on being written and read.
-- +goose Up
SET lock_timeout = '5s';

ALTER TABLE users ADD COLUMN deceased_on date;

-- Who recorded a death, at which clinic, and who withdrew it why. users.deceased_on is the date of the one that stands. Reasons
-- may hold what is about the patient: they are in this table and nowhere else.
CREATE TABLE deaths (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    clinic_id uuid NOT NULL,
    deceased_on date NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    recorded_by text NOT NULL,
    withdrawn_at timestamptz,
    withdrawn_by text,
    withdrawal_reason text,
    CONSTRAINT deaths_pkey PRIMARY KEY (id),
    CONSTRAINT deaths_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT deaths_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT deaths_withdrawn_whole CHECK (num_nulls(withdrawn_at, withdrawn_by, withdrawal_reason) IN (0, 3)),
    CONSTRAINT deaths_withdrawal_reason_length CHECK (char_length(withdrawal_reason) BETWEEN 1 AND 1000)
);
CREATE UNIQUE INDEX deaths_standing_key ON deaths (user_id) WHERE withdrawn_at IS NULL;
CREATE INDEX deaths_user_id_idx ON deaths (user_id, recorded_at);
CREATE INDEX deaths_clinic_id_idx ON deaths (clinic_id);
GRANT SELECT, INSERT, UPDATE ON deaths TO carewire_app;

-- Those who work at a clinic of the person: a second clinic can withdraw what the first recorded by mistake.
ALTER TABLE deaths ENABLE ROW LEVEL SECURITY;
CREATE POLICY deaths_app ON deaths TO carewire_app
    USING (
        (SELECT scope_is('system'))
        OR EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = deaths.user_id AND m.clinic_id = ANY((SELECT scope_clinics())::uuid[]))
    );

-- What a request, a session and a ticket find the person's status to be. Their rows' status stays.
CREATE OR REPLACE VIEW actors AS
SELECT
    u.id,
    CASE WHEN u.deceased_on IS NULL THEN u.status ELSE 'deceased' END AS status,
    coalesce((
        SELECT jsonb_agg(jsonb_build_object('clinicId', m.clinic_id, 'role', m.role) ORDER BY m.granted_at, m.id)
        FROM memberships AS m
        WHERE m.user_id = u.id
            AND m.revoked_at IS NULL
    ), '[]')::jsonb AS memberships
FROM users AS u;

CREATE OR REPLACE VIEW sign_ins AS
SELECT
    i.issuer,
    i.subject,
    u.id,
    CASE WHEN u.deceased_on IS NULL THEN u.status ELSE 'deceased' END AS status,
    m.clinic_id,
    m.role,
    m.granted_at,
    m.id AS membership_id,
    u.actor_version
FROM identities AS i
JOIN users AS u ON u.id = i.user_id
LEFT JOIN memberships AS m ON m.user_id = u.id AND m.revoked_at IS NULL;

DROP TRIGGER users_actor_version ON users;
CREATE TRIGGER users_actor_version BEFORE UPDATE ON users
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.deceased_on IS DISTINCT FROM NEW.deceased_on)
    EXECUTE FUNCTION actor_status_changed();

-- contact_state is 'deceased' for a person who has died, on every channel: planning, claim, fallback and redrive send them
-- nothing. Else it is 'verified' where the address is known to be the person's, 'unverified' where there is one, else 'none'. A
-- device was registered by the person, signed in; the inbox is everybody's own.
CREATE OR REPLACE FUNCTION contact_state(u users, p_channel text, p_has_device boolean) RETURNS text
LANGUAGE sql
IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN u.deceased_on IS NOT NULL THEN 'deceased'
    ELSE CASE p_channel
        WHEN 'email' THEN CASE WHEN u.email IS NULL THEN 'none' WHEN u.email_verified THEN 'verified' ELSE 'unverified' END
        WHEN 'sms' THEN CASE WHEN u.phone IS NULL THEN 'none' WHEN u.phone_verified THEN 'verified' ELSE 'unverified' END
        WHEN 'whatsapp' THEN CASE WHEN u.whatsapp IS NULL THEN 'none' WHEN u.whatsapp_verified THEN 'verified' ELSE 'unverified' END
        WHEN 'push' THEN CASE WHEN p_has_device THEN 'verified' ELSE 'none' END
        WHEN 'inapp' THEN 'verified'
        ELSE 'none'
    END
END;

-- staff_roles_held counts the roles other than patient that a person holds, at any clinic and on the platform: one clinic must
-- not end the account of somebody who works at another.
CREATE FUNCTION staff_roles_held(p_user_id uuid) RETURNS bigint
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
RETURN (SELECT count(*) FROM memberships AS m WHERE m.user_id = p_user_id AND m.role <> 'patient' AND m.revoked_at IS NULL);
REVOKE ALL ON FUNCTION staff_roles_held FROM PUBLIC;
GRANT EXECUTE ON FUNCTION staff_roles_held TO carewire_app;
