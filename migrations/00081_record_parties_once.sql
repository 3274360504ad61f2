-- A condition of IF that contains EXISTS is a query of its own, with the setup of its plan, also where its first operand is
-- enough. Of the 76 µs that a call took, 45 were such queries. Now one query answers what a usual write asks, and each other
-- query is inside the branch that needs it. The checks and their names are unchanged (00046). Every name in it is qualified instead of a search_path of its own.
-- +goose Up
SET lock_timeout = '5s';

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
    in_team boolean;
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
        ), 0) OPERATOR(pg_catalog.=) p_limits_version,
        p_any_patient OR EXISTS (
            SELECT 1
            FROM public.care_team AS t
            WHERE t.patient_id OPERATOR(pg_catalog.=) p_patient_id
                AND t.clinic_id OPERATOR(pg_catalog.=) p_clinic_id
                AND t.member_id OPERATOR(pg_catalog.=) p_actor_id
        )
    INTO is_patient, in_force, in_team;
    IF NOT is_patient THEN
        IF NOT EXISTS (
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
    END IF;
    IF NOT in_force THEN
        failed := pg_catalog.concat_ws(',', failed, 'limits');
    END IF;
    IF NOT p_own_doctor THEN
        IF NOT EXISTS (
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
    END IF;
    IF NOT in_team THEN
        failed := pg_catalog.concat_ws(',', failed, 'actor');
    END IF;
    IF failed IS NULL THEN
        RETURN true;
    END IF;
    RETURN public.refuse(failed);
END
$$;
-- +goose StatementEnd
