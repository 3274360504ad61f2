-- A version of what a person is to a request, so that an instance may keep it from one request for the next: the transaction
-- of the next asks whether the version is still the one that was kept.
-- +goose Up
SET lock_timeout = '5s';

-- It rises with every change of the person's status, roles and sign-ins, in the transaction of the change.
ALTER TABLE users ADD COLUMN actor_version bigint NOT NULL DEFAULT 1;

-- +goose StatementBegin
CREATE FUNCTION actor_status_changed() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.actor_version := OLD.actor_version + 1;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER users_actor_version BEFORE UPDATE ON users
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION actor_status_changed();

-- The persons' rows are locked in the order of their ids, so that two who change the roles of many do not wait for each other.
-- +goose StatementBegin
CREATE FUNCTION actors_changed() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    UPDATE users AS u
    SET actor_version = u.actor_version + 1
    FROM (
        SELECT l.id
        FROM users AS l
        WHERE l.id IN (SELECT c.user_id FROM changed AS c)
        ORDER BY l.id
        FOR NO KEY UPDATE
    ) AS locked
    WHERE u.id = locked.id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION actors_changed, actor_status_changed FROM PUBLIC;

CREATE TRIGGER memberships_actor_inserted AFTER INSERT ON memberships
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION actors_changed();
CREATE TRIGGER memberships_actor_updated AFTER UPDATE ON memberships
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION actors_changed();
CREATE TRIGGER memberships_actor_deleted AFTER DELETE ON memberships
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION actors_changed();
-- Whose sign-in was taken away. Whom one is given to is found by it only then.
CREATE TRIGGER identities_actor_updated AFTER UPDATE ON identities
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION actors_changed();
CREATE TRIGGER identities_actor_deleted AFTER DELETE ON identities
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION actors_changed();

-- True, or the end of the transaction. It tells nobody anything: who is asked about is the one who asks. Every name in it is
-- qualified instead of a search_path of its own, which would be set and set back on each call.
-- +goose StatementBegin
CREATE FUNCTION actor_holds(p_user_id uuid, p_version bigint) RETURNS boolean
LANGUAGE plpgsql STABLE
SECURITY DEFINER
AS $$
BEGIN
    IF EXISTS (
        SELECT 1
        FROM public.users AS u
        WHERE u.id OPERATOR(pg_catalog.=) p_user_id
            AND u.actor_version OPERATOR(pg_catalog.=) p_version
    ) THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'the actor has changed' USING ERRCODE = 'CW002';
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION actor_holds FROM PUBLIC;
GRANT EXECUTE ON FUNCTION actor_holds TO carewire_app;

CREATE OR REPLACE VIEW sign_ins AS
SELECT
    i.issuer,
    i.subject,
    u.id,
    u.status,
    m.clinic_id,
    m.role,
    m.granted_at,
    m.id AS membership_id,
    u.actor_version
FROM identities AS i
JOIN users AS u ON u.id = i.user_id
LEFT JOIN memberships AS m ON m.user_id = u.id AND m.revoked_at IS NULL;
