-- The owner of the table of migrations, or an empty text if there is none; the number of relations in the schemas of the
-- service, without those of extensions; and the name of one of them.
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
