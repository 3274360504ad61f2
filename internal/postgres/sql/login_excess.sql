-- The rights of the session's login and of the role $1 that neither requests nor work require, in words. pg_read_all_stats
-- shows other sessions' statements, without their values: a metric uses it.
WITH held AS (
    SELECT *
    FROM pg_roles
    WHERE rolname IN (session_user, $1)
)
SELECT format('%s is a superuser', rolname) FROM held WHERE rolsuper
UNION ALL
SELECT format('%s has BYPASSRLS', rolname) FROM held WHERE rolbypassrls AND NOT rolsuper
UNION ALL
SELECT format('%s has CREATEROLE', rolname) FROM held WHERE rolcreaterole AND NOT rolsuper
UNION ALL
SELECT format('%s has REPLICATION', rolname) FROM held WHERE rolreplication AND NOT rolsuper
UNION ALL
SELECT format('%s can become %s', session_user, string_agg(r.rolname, ', ' ORDER BY r.rolname))
FROM pg_roles AS r
WHERE pg_has_role(session_user, r.oid, 'MEMBER')
    AND r.rolname NOT IN (session_user, $1, 'pg_read_all_stats')
    AND NOT EXISTS (SELECT 1 FROM held WHERE rolname = session_user AND rolsuper)
HAVING count(*) > 0
