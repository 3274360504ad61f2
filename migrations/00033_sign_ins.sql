-- A link between a sign-in and a person can be taken back. The sign-in that was taken is not linked to that person by its email
-- address again: only an invitation that was sent to the person does that.
-- +carewire allow volatile-default identities: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +carewire allow add-constraint identities: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

ALTER TABLE identities
    ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD CONSTRAINT identities_id_key UNIQUE (id);
GRANT DELETE ON identities TO carewire_app;

CREATE TABLE unlinked_sign_ins (
    id uuid NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id uuid NOT NULL,
    unlinked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT unlinked_sign_ins_pkey PRIMARY KEY (issuer, subject, user_id),
    CONSTRAINT unlinked_sign_ins_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX unlinked_sign_ins_user_id_idx ON unlinked_sign_ins (user_id);
GRANT SELECT, INSERT, UPDATE ON unlinked_sign_ins TO carewire_app;

-- linkable finds the person to whom a sign-in with this verified address is to be linked: of several who were registered with
-- it whoever proved it, else the first; nobody where that person has a sign-in of the issuer already, or this one was taken from
-- them.
CREATE FUNCTION linkable(p_issuer text, p_subject text, p_emails text[]) RETURNS uuid
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
RETURN (
    SELECT u.id
    FROM (
        SELECT h.id
        FROM users AS h
        WHERE h.email = ANY(p_emails)
            AND h.merged_into IS NULL
        ORDER BY h.email_verified DESC, h.status, h.id
        LIMIT 1
    ) AS u
    WHERE NOT EXISTS (SELECT 1 FROM identities AS i WHERE i.issuer = p_issuer AND i.user_id = u.id)
        AND NOT EXISTS (SELECT 1 FROM unlinked_sign_ins AS t WHERE t.issuer = p_issuer AND t.subject = p_subject AND t.user_id = u.id)
);
REVOKE ALL ON FUNCTION linkable FROM PUBLIC;
GRANT EXECUTE ON FUNCTION linkable TO carewire_app;
