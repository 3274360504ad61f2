-- An email address is one person's once it is verified, as a phone number is. Before, two people may be registered with it:
-- a clinic that registers a person does not learn that another clinic knows the address. Who proves that it is theirs, by the
-- invitation that is sent to it, keeps it.
-- +carewire allow create-index users: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +carewire allow add-constraint users: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

CREATE UNIQUE INDEX users_email_verified_key ON users (email) WHERE email_verified;
CREATE INDEX users_email_idx ON users (email);
DROP INDEX users_email_key;

-- merged_into is set for a person who proved to be another: the row stays, as the audit trail refers to it.
ALTER TABLE users
    ADD COLUMN merged_into uuid,
    ADD CONSTRAINT users_merged_into_fkey FOREIGN KEY (merged_into) REFERENCES users (id),
    ADD CONSTRAINT users_merged_is_disabled CHECK (merged_into IS NULL OR status = 'disabled');
CREATE INDEX users_merged_into_idx ON users (merged_into) WHERE merged_into IS NOT NULL;

-- invitee finds whom an address certainly belongs to, at whichever clinic. What is found goes into an invitation and an
-- event for that person alone, and into no answer. p_emails are the spellings of the one address, which are compared as they
-- are: lower() would make "mike" of addresses that are not his.
DROP FUNCTION invitee;
CREATE FUNCTION invitee(p_emails text[]) RETURNS uuid
LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = public, pg_temp
RETURN (SELECT u.id FROM users AS u WHERE u.email = ANY(p_emails) AND u.email_verified AND u.status = 'active' ORDER BY u.id LIMIT 1);
REVOKE ALL ON FUNCTION invitee FROM PUBLIC;
GRANT EXECUTE ON FUNCTION invitee TO carewire_app;
