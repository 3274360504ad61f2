-- Everything that one actor did in a period, oldest first: writes, reads, denials, sign-ins.
--
-- Run as the auditor, with the actor (a person's id, service:ID or system:PART) and the first and last
-- day of the period; add --csv for a spreadsheet:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -v actor=00000000-0000-0000-0000-000000000000 -v from=2026-01-01 -v until=2026-12-31 -f actor_activity.sql
--
-- Days are those of the session's time zone. Refused sign-ins are in sign_ins.sql, because nobody is
-- signed in then.
\set ON_ERROR_STOP on
\if :{?actor}
\else
DO $$ BEGIN RAISE EXCEPTION 'the variable actor is not set' USING HINT = 'Add -v actor=ID, the id of the actor.'; END $$;
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
    e.position,
    e.time,
    e.type AS what,
    e.subject,
    e.subject_version AS version,
    e.actor_role AS as_role,
    e.clinic_id,
    e.person_id AS person,
    p.name AS person_name,
    coalesce(e.data ->> 'action', e.data ->> 'method', e.data ->> 'reason', '') AS how,
    coalesce(e.data ->> 'kind', '') AS kind,
    e.correlation_id,
    e.client_address,
    e.client_agent
FROM audit.find(p_actor => lower(:'actor'), p_from => :'from'::date, p_to => :'until'::date + 1) AS e
LEFT JOIN audit.people AS p ON p.id = e.person_id
ORDER BY e.position;
