-- Whether somebody is active in a role at a clinic, for what checks and writes in one statement. The same look-up under the
-- policies of memberships and users costs several times as much, on every first write of a record.
-- +goose Up
SET lock_timeout = '5s';

-- It tells no more than yes or no. Every name in it is qualified instead of a search_path of its own, which would be set and
-- set back on each call.
-- +goose StatementBegin
CREATE FUNCTION active_member(p_user_id uuid, p_clinic_id uuid, p_role text) RETURNS boolean
LANGUAGE plpgsql STABLE
SECURITY DEFINER
AS $$
BEGIN
    RETURN EXISTS (
        SELECT 1
        FROM public.memberships AS m
        JOIN public.users AS u ON u.id OPERATOR(pg_catalog.=) m.user_id
        WHERE m.user_id OPERATOR(pg_catalog.=) p_user_id
            AND m.clinic_id OPERATOR(pg_catalog.=) p_clinic_id
            AND m.role OPERATOR(pg_catalog.=) p_role
            AND m.revoked_at IS NULL
            AND u.status OPERATOR(pg_catalog.=) 'active'
    );
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION active_member FROM PUBLIC;
GRANT EXECUTE ON FUNCTION active_member TO carewire_app;
