-- The checks of a new record's parties as one call, for the statement that checks and writes at once. As subqueries they
-- stood under the policies of memberships, users and care_team, and each had a plan of its own to set up on every write.
-- +goose Up
SET lock_timeout = '5s';

-- True, or refuse() with the names of the checks that failed: is the patient an active patient of the clinic; is the doctor
-- an active doctor there, which need not be asked of a doctor who writes in their own name; and is the actor on the
-- patient's care team, which need not be asked of one who may write for any patient. It tells no more than these answers,
-- as the policies hide the rows from some who may ask. Every name in it is qualified instead of a search_path of its own,
-- which would be set and set back on each call.
-- +goose StatementBegin
CREATE FUNCTION record_parties_hold(
    p_patient_id uuid,
    p_clinic_id uuid,
    p_doctor_id uuid,
    p_own_doctor boolean,
    p_any_patient boolean,
    p_actor_id uuid
) RETURNS boolean
LANGUAGE plpgsql STABLE
SECURITY DEFINER
AS $$
DECLARE
    failed text;
BEGIN
    IF NOT EXISTS (
        SELECT 1
        FROM public.memberships AS m
        JOIN public.users AS u ON u.id OPERATOR(pg_catalog.=) m.user_id
        WHERE m.user_id OPERATOR(pg_catalog.=) p_patient_id
            AND m.clinic_id OPERATOR(pg_catalog.=) p_clinic_id
            AND m.role OPERATOR(pg_catalog.=) 'patient'
            AND m.revoked_at IS NULL
            AND u.status OPERATOR(pg_catalog.=) 'active'
    ) THEN
        failed := 'patient';
    END IF;
    IF NOT p_own_doctor AND NOT EXISTS (
        SELECT 1
        FROM public.memberships AS m
        JOIN public.users AS u ON u.id OPERATOR(pg_catalog.=) m.user_id
        WHERE m.user_id OPERATOR(pg_catalog.=) p_doctor_id
            AND m.clinic_id OPERATOR(pg_catalog.=) p_clinic_id
            AND m.role OPERATOR(pg_catalog.=) 'doctor'
            AND m.revoked_at IS NULL
            AND u.status OPERATOR(pg_catalog.=) 'active'
    ) THEN
        failed := pg_catalog.concat_ws(',', failed, 'doctor');
    END IF;
    IF NOT p_any_patient AND NOT EXISTS (
        SELECT 1
        FROM public.care_team AS t
        WHERE t.patient_id OPERATOR(pg_catalog.=) p_patient_id
            AND t.clinic_id OPERATOR(pg_catalog.=) p_clinic_id
            AND t.member_id OPERATOR(pg_catalog.=) p_actor_id
    ) THEN
        failed := pg_catalog.concat_ws(',', failed, 'actor');
    END IF;
    IF failed IS NULL THEN
        RETURN true;
    END IF;
    RETURN public.refuse(failed);
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION record_parties_hold FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_parties_hold TO carewire_app;
