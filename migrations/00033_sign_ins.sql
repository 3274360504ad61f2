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

-- proves_address says that the provider had verified, when the sign-in was linked, that it has the person's address. It holds
-- until that address changes.
ALTER TABLE identities ADD COLUMN proves_address boolean NOT NULL DEFAULT true;
ALTER TABLE identities ALTER COLUMN proves_address SET DEFAULT false;

-- +goose StatementBegin
CREATE FUNCTION address_changed() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE identities AS i
    SET proves_address = false
    WHERE i.user_id = NEW.id
        AND i.proves_address;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION address_changed FROM PUBLIC;
CREATE TRIGGER users_address_changed AFTER UPDATE ON users
    FOR EACH ROW WHEN (OLD.email IS DISTINCT FROM NEW.email) EXECUTE FUNCTION address_changed();

-- linkable finds the person to whom a sign-in with this verified address is to be linked: whoever proved the address, by a code,
-- an invitation or such a sign-in; else the first who was registered with it and has no sign-in of the issuer. Nobody where who
-- proved it has a sign-in of the issuer already, or this one was taken from them.
CREATE FUNCTION linkable(p_issuer text, p_subject text, p_emails text[]) RETURNS uuid
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
RETURN (
    SELECT CASE WHEN NOT u.linked AND NOT u.taken THEN u.id END
    FROM (
        SELECT
            h.id,
            h.status,
            h.email_verified,
            h.email_verified OR EXISTS (SELECT 1 FROM identities AS i WHERE i.user_id = h.id AND i.proves_address) AS proved,
            EXISTS (SELECT 1 FROM identities AS i WHERE i.user_id = h.id AND i.issuer = p_issuer) AS linked,
            EXISTS (SELECT 1 FROM unlinked_sign_ins AS t WHERE t.user_id = h.id AND t.issuer = p_issuer AND t.subject = p_subject) AS taken
        FROM users AS h
        WHERE h.email = ANY(p_emails)
            AND h.merged_into IS NULL
    ) AS u
    WHERE u.proved
        OR NOT u.linked
    ORDER BY u.email_verified DESC, u.proved DESC, u.status, u.id
    LIMIT 1
);
REVOKE ALL ON FUNCTION linkable FROM PUBLIC;
GRANT EXECUTE ON FUNCTION linkable TO carewire_app;
