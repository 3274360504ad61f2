-- Denied requests of the last 24 hours by actor, most denials first: the starting point of a
-- review.
--
-- Run as the auditor:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -f denials_last_day.sql
--
-- people counts the persons concerned. things_not_there counts requests for ids that do not exist,
-- which may indicate probing.
SELECT
    d.actor_id,
    d.actor_role,
    d.action,
    d.code,
    count(*) AS refusals,
    count(DISTINCT d.person_id) AS people,
    count(*) FILTER (WHERE d.person_id IS NULL) AS things_not_there,
    min(d.time) AS first,
    max(d.time) AS last
FROM audit.denials AS d
WHERE d.time > now() - interval '1 day'
GROUP BY d.actor_id, d.actor_role, d.action, d.code
ORDER BY refusals DESC, last DESC;
