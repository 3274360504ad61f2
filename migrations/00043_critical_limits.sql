-- Each clinic has its own laboratory and its own patients, so each can say from which values on a result there is critical. What
-- is built in (internal/clinic/ehr) holds for every code and unit for which the clinic says nothing.
-- +goose Up
SET lock_timeout = '5s';

-- The version rises with every change of a clinic's limits. Instances keep the limits, and ask in the statement that writes a
-- record whether those they judged it by are still in force. A clinic without a row has version 0.
CREATE TABLE critical_limit_sets (
    clinic_id uuid NOT NULL,
    version bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT critical_limit_sets_pkey PRIMARY KEY (clinic_id),
    CONSTRAINT critical_limit_sets_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT critical_limit_sets_version_known CHECK (version >= 0)
);

CREATE TABLE critical_limits (
    clinic_id uuid NOT NULL,
    code_system text NOT NULL,
    code text NOT NULL,
    unit text NOT NULL,
    low double precision,
    high double precision,
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    CONSTRAINT critical_limits_pkey PRIMARY KEY (clinic_id, code_system, code, unit),
    CONSTRAINT critical_limits_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES critical_limit_sets (clinic_id),
    CONSTRAINT critical_limits_code_system_length CHECK (char_length(code_system) BETWEEN 1 AND 200),
    CONSTRAINT critical_limits_code_length CHECK (char_length(code) BETWEEN 1 AND 100),
    CONSTRAINT critical_limits_unit_length CHECK (char_length(unit) BETWEEN 1 AND 50),
    CONSTRAINT critical_limits_low_or_high CHECK (num_nonnulls(low, high) > 0),
    CONSTRAINT critical_limits_low_below_high CHECK (low < high)
);

-- Seen and written by those who work at the clinic; which of them may write, the access table says.
ALTER TABLE critical_limit_sets ENABLE ROW LEVEL SECURITY;
CREATE POLICY critical_limit_sets_app ON critical_limit_sets TO carewire_app
    USING ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]))
    WITH CHECK ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));
ALTER TABLE critical_limits ENABLE ROW LEVEL SECURITY;
CREATE POLICY critical_limits_app ON critical_limits TO carewire_app
    USING ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]))
    WITH CHECK ((SELECT scope_is('system')) OR clinic_id = ANY((SELECT scope_clinics())::uuid[]));

GRANT SELECT, INSERT, UPDATE ON critical_limit_sets TO carewire_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON critical_limits TO carewire_app;

-- record_parties_hold of 00022, which also asks whether the version of the clinic's critical limits is the one that a record was
-- judged by (the check "limits"); a negative version asks nothing. It is asked together with the patient: a function or a subquery
-- of its own took a tenth of the whole write.
DROP FUNCTION IF EXISTS record_parties_hold(uuid, uuid, uuid, boolean, boolean, uuid);
-- +goose StatementBegin
CREATE FUNCTION record_parties_hold(
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
            JOIN public.users AS u ON u.id OPERATOR(pg_catalog.=) m.user_id
            WHERE m.user_id OPERATOR(pg_catalog.=) p_patient_id
                AND m.clinic_id OPERATOR(pg_catalog.=) p_clinic_id
                AND m.role OPERATOR(pg_catalog.=) 'patient'
                AND m.revoked_at IS NULL
                AND u.status OPERATOR(pg_catalog.=) 'active'
        ),
        p_limits_version OPERATOR(pg_catalog.<) 0 OR coalesce((
            SELECT s.version
            FROM public.critical_limit_sets AS s
            WHERE s.clinic_id OPERATOR(pg_catalog.=) p_clinic_id
        ), 0) OPERATOR(pg_catalog.=) p_limits_version
    INTO is_patient, in_force;
    IF NOT is_patient THEN
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
REVOKE ALL ON FUNCTION record_parties_hold FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_parties_hold TO carewire_app;
