-- In an embedded server the service's roles may log in over the Unix socket, so that a psql session as one of them is
-- that role and nothing more. They have no password: TCP refuses them.
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['carewire_owner', 'carewire_app', 'carewire_worker', 'carewire_auditor'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = v_role) THEN
            EXECUTE format('CREATE ROLE %I', v_role);
        END IF;
        EXECUTE format('ALTER ROLE %I LOGIN', v_role);
    END LOOP;
END
$$
