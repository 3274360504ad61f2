-- Whether the current role may read River's own migrations; false if they did not run.
SELECT coalesce(bool_or(has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')), false)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'river'
    AND c.relname = 'river_migration'
