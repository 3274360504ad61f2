-- Whose the table of migrations is, empty when there is none; and how many relations there are in the schemas that the
-- service makes its own in, those of extensions aside, with the name of one of them.
SELECT
    coalesce((SELECT pg_get_userbyid(k.relowner) FROM pg_class AS k WHERE k.oid = to_regclass('public.goose_db_version')), ''),
    count(*),
    coalesce(min(format('%I.%I', n.nspname, c.relname)), '')
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'river', 'audit')
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND NOT EXISTS (
        SELECT 1
        FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass
            AND d.objid = c.oid
            AND d.deptype = 'e'
    )
