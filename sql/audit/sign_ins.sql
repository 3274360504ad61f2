-- Sign-ins, sign-outs and refused sign-ins of one person in a period, oldest first.
--
-- Run as the auditor, with the person's id and the first and last day of the period; add --csv for a
-- spreadsheet:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -v person=00000000-0000-0000-0000-000000000000 -v from=2026-01-01 -v until=2026-12-31 -f sign_ins.sql
--
-- detail is the method of a sign-in, or the reason. A refusal with a count is the number of refusals
-- for the same reason that followed one within a minute. Days are those of the session's time zone.
\set ON_ERROR_STOP on
\if :{?person}
\else
DO $$ BEGIN RAISE EXCEPTION 'the variable person is not set' USING HINT = 'Add -v person=ID, the id of the person.'; END $$;
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
    s.position,
    s.time,
    s.type AS what,
    s.detail,
    s.count,
    s.correlation_id,
    s.client_address,
    s.client_agent
FROM audit.sign_ins AS s
WHERE s.position = ANY(ARRAY(
        SELECT audit.positions(
            NULL, :'person', NULL, '{user.signed_in,user.sign_in_refused,session.closed}', :'from'::date, :'until'::date + 1, NULL, NULL, NULL
        )
    ))
ORDER BY s.position;
