-- Who had anything to do with one patient's file in a period: one row for each actor, with the
-- number of writes, reads, lists and denials, most reads first.
--
-- Run as the auditor, with the patient's id and the first and last day of the period; add --csv for a
-- spreadsheet:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -v patient=00000000-0000-0000-0000-000000000000 -v from=2026-01-01 -v until=2026-12-31 -f patient_file.sql
--
-- who_read_patient.sql has each read. Days are those of the session's time zone.
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
    e.actor_id AS actor,
    w.name AS actor_name,
    string_agg(DISTINCT e.actor_role, ', ') AS as_roles,
    count(*) FILTER (WHERE e.type NOT IN ('record.read', 'user.searched', 'audit.read', 'access.denied')) AS writes,
    count(*) FILTER (WHERE e.type = 'record.read' AND e.data ->> 'action' <> 'list') AS reads,
    count(*) FILTER (WHERE e.type = 'user.searched' OR (e.type = 'record.read' AND e.data ->> 'action' = 'list')) AS lists,
    count(*) FILTER (WHERE e.type = 'audit.read') AS trail_reads,
    count(*) FILTER (WHERE e.type = 'access.denied') AS denials,
    min(e.time) AS first,
    max(e.time) AS last
FROM audit.find(p_person => :'patient', p_from => :'from'::date, p_to => :'until'::date + 1) AS e
LEFT JOIN audit.people AS w ON w.id = audit.person_of(e.actor_id)
WHERE e.type NOT LIKE 'notification.%'
GROUP BY e.actor_id, w.name
ORDER BY reads DESC, lists DESC, writes DESC, e.actor_id;
