-- The access report of a patient: who was shown the patient's data, newest first. It is not the
-- accounting of disclosures of 45 CFR 164.528, which is about recipients outside of the clinic.
--
-- Run as the auditor, with the person's id and the first and last day of the period; add --csv for a
-- spreadsheet:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -v patient=00000000-0000-0000-0000-000000000000 -v from=2026-01-01 -v until=2026-12-31 -f who_read_patient.sql
--
-- Days are those of the session's time zone. Rows of action search are pages of people that showed
-- the patient's name, and those of action audit are reads of the patient's audit trail.
\set ON_ERROR_STOP on
\if :{?patient}
\else
DO $$ BEGIN RAISE EXCEPTION 'the variable patient is not set' USING HINT = 'Add -v patient=ID, the id of the patient.'; END $$;
\endif
\if :{?from}
\else
DO $$ BEGIN RAISE EXCEPTION 'the variable from is not set' USING HINT = 'Add -v from=2026-01-01, the first day.'; END $$;
\endif
\if :{?until}
\else
DO $$ BEGIN RAISE EXCEPTION 'the variable until is not set' USING HINT = 'Add -v until=2026-12-31, the last day.'; END $$;
\endif
SELECT
    r.time,
    r.actor_id AS reader,
    w.name AS reader_name,
    r.actor_role AS as_role,
    r.action,
    r.subject,
    r.kind,
    r.version,
    r.clinic_id,
    cardinality(r.record_ids) AS records_in_list,
    array_to_string(r.filters, ', ') AS filters,
    r.correlation_id,
    r.client_address,
    r.client_agent
FROM audit.reads AS r
LEFT JOIN audit.people AS w ON w.id = audit.person_of(r.actor_id)
WHERE r.position = ANY(ARRAY(
        SELECT audit.positions(
            NULL, :'patient', NULL, '{record.read,user.searched,audit.read}', :'from'::date, :'until'::date + 1, NULL, NULL, NULL
        )
    ))
ORDER BY r.position DESC;
