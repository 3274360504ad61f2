-- In an embedded server the service's roles may log in over the Unix socket, so that a psql session of a role has only its
-- rights. Requests and work use logins that can become one role each and have no rights of their own: a session that
-- leaves its role can read nothing. The roles have no password, so that TCP connections fail. This runs at every start, to
-- add missing roles to a cluster of an earlier release.
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
    FOREACH v_role IN ARRAY ARRAY['carewire_app', 'carewire_worker'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = v_role || '_login') THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT', v_role || '_login');
        END IF;
        IF NOT pg_has_role(v_role || '_login', v_role, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', v_role, v_role || '_login');
        END IF;
    END LOOP;
    -- The age of the oldest transaction is a metric, and requests use another login.
    IF NOT pg_has_role('carewire_worker', 'pg_read_all_stats', 'USAGE') THEN
        GRANT pg_read_all_stats TO carewire_worker;
    END IF;
END
$$
