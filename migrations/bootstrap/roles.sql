-- Roles belong to the cluster, not to one database: several databases may be bootstrapped at once, so each step
-- tolerates that another has just done it. What is already as it should be is left alone: once a superuser or the
-- database's owner has run this, a lesser user who is a member of the roles may run it too.
--
-- Logins are the administrator's to make, with passwords of their own. Requests and work run over one each, which can become
-- that role and nothing else:
--
--   CREATE ROLE carewire_app_login LOGIN NOINHERIT PASSWORD '…';
--   GRANT carewire_app TO carewire_app_login;
--   CREATE ROLE carewire_worker_login LOGIN NOINHERIT PASSWORD '…';
--   GRANT carewire_worker TO carewire_worker_login;
--   GRANT pg_read_all_stats TO carewire_worker;
DO $$
DECLARE
    v_role text;
    -- From PostgreSQL 16 on the creator of a role administers it but may not SET ROLE to it until it grants itself that.
    v_may_set text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['carewire_owner', 'carewire_app', 'carewire_worker', 'carewire_auditor'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = v_role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, v_role, v_may_set) THEN
            BEGIN
                EXECUTE format('GRANT %I TO current_user', v_role);
            EXCEPTION WHEN unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
    IF NOT (has_database_privilege('carewire_owner', current_database(), 'CREATE')
        AND has_database_privilege('carewire_owner', current_database(), 'CONNECT')
        AND has_database_privilege('carewire_owner', current_database(), 'TEMPORARY')) THEN
        EXECUTE format('GRANT CREATE, CONNECT, TEMPORARY ON DATABASE %I TO carewire_owner', current_database());
    END IF;
    FOREACH v_role IN ARRAY ARRAY['carewire_app', 'carewire_worker', 'carewire_auditor'] LOOP
        IF NOT has_database_privilege(v_role, current_database(), 'CONNECT') THEN
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), v_role);
        END IF;
    END LOOP;
    -- A database of before PostgreSQL 15 lets everybody make things there. First: until then it seems that carewire_owner may.
    IF has_schema_privilege('public', 'public', 'CREATE') THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;
    IF NOT has_schema_privilege('carewire_owner', 'public', 'CREATE') THEN
        GRANT ALL ON SCHEMA public TO carewire_owner;
    END IF;
    FOREACH v_role IN ARRAY ARRAY['carewire_app', 'carewire_worker'] LOOP
        IF NOT has_schema_privilege(v_role, 'public', 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', v_role);
        END IF;
    END LOOP;
END
$$;
