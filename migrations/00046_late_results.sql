-- A late result or a report after a patient's death belongs to a person who is no longer an active patient. Records are written
-- about whoever is a patient of the clinic or was one; the doctor must still be an active doctor there.
-- +carewire allow create-index memberships: instances are stopped for this release, as 00027 copies three tables (docs/operating.md, Upgrade).
-- +goose Up
SET lock_timeout = '5s';

-- Roles that ended. Those that are held have memberships_active_key.
CREATE INDEX memberships_revoked_idx ON memberships (user_id, clinic_id, role) WHERE revoked_at IS NOT NULL;

-- True, or refuse() with the names of the checks that failed: is the patient a patient of the clinic, or were they one; is the
-- doctor an active doctor there, which is not checked for a doctor who writes in their own name; and is the actor on the
-- patient's care team, which is not checked for one who may write for any patient. A person who was merged into another is
-- nobody's patient: the other one is. The limits are asked for as in 00043. It returns no more than these answers, as the
-- policies hide the rows from some who may ask. Every name in it is qualified instead of a search_path of its own, which would be set and reset on each call.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION record_parties_hold(
    p_patient_id uuid,
    p_clinic_id uuid,
    p_doctor_id uuid,
    p_own_doctor boolean,
    p_any_patient boolean,
    p_actor_id uuid,
    p_limits_version bigint DEFAULT -1
) RETURNS boolean
LANGUAGE plpgsql STABLE
SECURITY DEFINER
AS $$
DECLARE
    failed text;
    is_patient boolean;
    in_force boolean;
BEGIN
    SELECT
        EXISTS (
            SELECT 1
            FROM public.memberships AS m
            WHERE m.user_id OPERATOR(pg_catalog.=) p_patient_id
                AND m.clinic_id OPERATOR(pg_catalog.=) p_clinic_id
                AND m.role OPERATOR(pg_catalog.=) 'patient'
                AND m.revoked_at IS NULL
        ),
        p_limits_version OPERATOR(pg_catalog.<) 0 OR coalesce((
            SELECT s.version
            FROM public.critical_limit_sets AS s
            WHERE s.clinic_id OPERATOR(pg_catalog.=) p_clinic_id
        ), 0) OPERATOR(pg_catalog.=) p_limits_version
    INTO is_patient, in_force;
    IF NOT is_patient AND NOT EXISTS (
        SELECT 1
        FROM public.memberships AS m
        JOIN public.users AS u ON u.id OPERATOR(pg_catalog.=) m.user_id
        WHERE m.user_id OPERATOR(pg_catalog.=) p_patient_id
            AND m.clinic_id OPERATOR(pg_catalog.=) p_clinic_id
            AND m.role OPERATOR(pg_catalog.=) 'patient'
            AND m.revoked_at IS NOT NULL
            AND u.merged_into IS NULL
    ) THEN
        failed := 'patient';
    END IF;
    IF NOT in_force THEN
        failed := pg_catalog.concat_ws(',', failed, 'limits');
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
