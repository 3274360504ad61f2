-- The partitions that lack their part of a partitioned index, which was created ON ONLY the table.
SELECT
    i.relname AS index,
    t.relname AS parent,
    p.relname AS partition,
    substring(pg_get_indexdef(i.oid) FROM ' (USING .*)$') AS definition
FROM pg_index AS x
JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_class AS t ON t.oid = x.indrelid
JOIN pg_inherits AS h ON h.inhparent = t.oid
JOIN pg_class AS p ON p.oid = h.inhrelid
WHERE t.relnamespace = 'public'::regnamespace
    AND t.relkind = 'p'
    AND NOT x.indisvalid
    AND NOT EXISTS (
        SELECT
        FROM pg_inherits AS part
        JOIN pg_index AS own ON own.indexrelid = part.inhrelid
        WHERE part.inhparent = i.oid
            AND own.indrelid = p.oid
    )
ORDER BY i.relname, p.relname
