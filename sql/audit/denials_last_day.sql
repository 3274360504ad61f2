-- Denied requests of the last 24 hours by actor, most denials first: the starting point of a
-- review.
--
-- Run as the auditor; add --csv for a spreadsheet:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -f denials_last_day.sql
--
-- people counts the persons concerned. things_not_there counts requests for ids that do not exist,
-- which may indicate probing.
\set ON_ERROR_STOP on
SELECT
    d.actor_id,
    w.name AS actor_name,
    d.actor_role,
    d.action,
    d.code,
    count(*) AS refusals,
    count(DISTINCT d.person_id) AS people,
    count(*) FILTER (WHERE d.person_id IS NULL) AS things_not_there,
    min(d.time) AS first,
    max(d.time) AS last
FROM audit.denials AS d
LEFT JOIN audit.people AS w ON w.id = audit.person_of(d.actor_id)
WHERE d.position = ANY(ARRAY(SELECT audit.positions(NULL, NULL, NULL, '{access.denied}', now() - interval '1 day', NULL, NULL, NULL, NULL)))
GROUP BY d.actor_id, w.name, d.actor_role, d.action, d.code
ORDER BY refusals DESC, last DESC;
