-- Roles belong to the cluster, not to one database: several databases may be bootstrapped at once, so each step
-- tolerates that another has just done it.
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['carewire_owner', 'carewire_app', 'carewire_worker', 'carewire_auditor'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = v_role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, v_role, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO current_user', v_role);
        END IF;
    END LOOP;
    EXECUTE format('GRANT CREATE, CONNECT, TEMPORARY ON DATABASE %I TO carewire_owner', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO carewire_app, carewire_worker, carewire_auditor', current_database());
END
$$;
GRANT ALL ON SCHEMA public TO carewire_owner;
GRANT USAGE ON SCHEMA public TO carewire_app, carewire_worker;
