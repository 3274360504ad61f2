-- PUBLIC has no rights. Tables give it none by default, but functions do: EXECUTE to everybody, which every migration had to
-- take back, and some did not. From here on no function of carewire_owner gives it, in any schema: a migration that makes one
-- grants it to the roles that call it. Functions of triggers need no grant; those that policies call need carewire_app's.
-- +goose Up
SET lock_timeout = '5s';

ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
-- River's queries call functions of its own; its migrations run after these.
ALTER DEFAULT PRIVILEGES IN SCHEMA river GRANT EXECUTE ON FUNCTIONS TO carewire_worker;

-- Those of extensions are not ours to change.
-- +goose StatementBegin
DO $$
DECLARE
    v_function regprocedure;
BEGIN
    FOR v_function IN
        SELECT p.oid
        FROM pg_proc AS p
        JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname IN ('public', 'audit', 'river')
            AND pg_get_userbyid(p.proowner) = current_user
            AND NOT EXISTS (SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
    END LOOP;
END
$$;
-- +goose StatementEnd
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA river TO carewire_worker;
-- What policies and the check of an invoice's sums call, as whoever writes.
GRANT EXECUTE ON FUNCTION scope_is, scope_person, scope_clinics, scope_patient_at, invoice_sums_check TO carewire_app;
-- Who reads the ledger can check its leaves.
GRANT EXECUTE ON FUNCTION event_leaf(bigint, integer, uuid, text, text, text, bigint, timestamptz, jsonb, uuid, uuid, text, text, uuid,
    text, text, boolean, timestamptz) TO carewire_app, carewire_worker, carewire_auditor;
GRANT EXECUTE ON FUNCTION event_leaf(events) TO carewire_app, carewire_worker, carewire_auditor;
