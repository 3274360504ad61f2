-- Roles and care teams: who was given or lost which role in a period, and by whom, oldest first.
--
-- Run as the auditor, with the first and last day of the period; add --csv for a spreadsheet:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -v from=2026-01-01 -v until=2026-12-31 -f role_changes.sql
--
-- For a care team, person is the patient and member the doctor or nurse. Days are those of the
-- session's time zone.
\set ON_ERROR_STOP on
\if :{?from}
\else
DO $$ BEGIN RAISE EXCEPTION 'the variable from is not set' USING HINT = 'Add -v from=2026-01-01, the first day.'; END $$;
\endif
\if :{?until}
\else
DO $$ BEGIN RAISE EXCEPTION 'the variable until is not set' USING HINT = 'Add -v until=2026-12-31, the last day.'; END $$;
\endif
SELECT
    r.position,
    r.time,
    r.type AS what,
    r.role,
    r.clinic_id,
    r.person_id AS person,
    p.name AS person_name,
    r.member_ids[1] AS member,
    m.name AS member_name,
    r.actor_id AS by,
    w.name AS by_name,
    r.actor_role AS by_role
FROM audit.role_changes AS r
LEFT JOIN audit.people AS p ON p.id = r.person_id
LEFT JOIN audit.people AS m ON m.id = r.member_ids[1]
LEFT JOIN audit.people AS w ON w.id = audit.person_of(r.actor_id)
WHERE r.position = ANY(ARRAY(
        SELECT audit.positions(
            NULL, NULL, NULL, '{membership.granted,membership.revoked,care_team.joined,care_team.left}', :'from'::date, :'until'::date + 1,
            NULL, NULL, NULL
        )
    ))
ORDER BY r.position;
