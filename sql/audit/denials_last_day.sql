-- Who was refused in the last 24 hours, those with the most refusals first: what a review begins with.
--
-- Run as the auditor:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -f denials_last_day.sql
--
-- people counts the persons whose things were asked for; things_not_there, asked for by ids that do not exist, hint at
-- somebody trying.
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
