-- Each clinic has its own laboratory and its own patients, so each can say from which values on a result there is critical. What
-- is built in (internal/care/ehr) holds for every code and unit for which the clinic says nothing.
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

-- True, or refuse() with "limits": is the version of the clinic's critical limits the one that a record was judged by. Under the
-- policies of its caller it took half as long again, 15 instead of 10 µs on a busy machine; it tells no more than that answer.
-- +goose StatementBegin
CREATE FUNCTION critical_limits_hold(p_clinic_id uuid, p_version bigint) RETURNS boolean
LANGUAGE plpgsql STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    current bigint;
BEGIN
    SELECT s.version
    INTO current
    FROM public.critical_limit_sets AS s
    WHERE s.clinic_id = p_clinic_id;
    IF coalesce(current, 0) = p_version THEN
        RETURN true;
    END IF;
    RETURN public.refuse('limits');
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION critical_limits_hold FROM PUBLIC;
GRANT EXECUTE ON FUNCTION critical_limits_hold TO carewire_app;
