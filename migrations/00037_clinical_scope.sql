-- Records and conversations are for those whose role reads them. A receptionist's or an administrator's scope held their
-- clinic, and with it what is clinical there: the second lock knew clinics and not roles.
-- +goose Up
SET lock_timeout = '5s';

-- The clinics where the actor holds a role that the access table lets read records or conversations of others. They are
-- among scope_clinics() too.
CREATE FUNCTION scope_clinical() RETURNS uuid[]
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(current_setting('carewire.clinical', true), ''), '{}')::uuid[];
REVOKE ALL ON FUNCTION scope_clinical FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scope_clinical TO carewire_app;

-- The versions, messages and participants follow: their policies look whether the record or the conversation is seen.
ALTER POLICY records_app ON records
    USING (
        (SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinical())::uuid[]) OR patient_id = (SELECT scope_person())
    )
    WITH CHECK ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinical())::uuid[]));
ALTER POLICY conversations_app ON conversations
    USING (
        (SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinical())::uuid[]) OR patient_id = (SELECT scope_person())
    );
