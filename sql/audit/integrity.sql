-- Verifies the integrity of the ledger. No row means that it is intact: positions are contiguous
-- within each epoch, no event id occurs twice, and the leaf hash of every event matches its
-- columns.
--
-- Run as the auditor, with the first and last position to check:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -v from=1 -v until=1000000 -f integrity.sql
\set ON_ERROR_STOP on
\if :{?from}
\else
DO $$ BEGIN RAISE EXCEPTION 'the variable from is not set' USING HINT = 'Add -v from=1, the first position.'; END $$;
\endif
\if :{?until}
\else
DO $$ BEGIN RAISE EXCEPTION 'the variable until is not set' USING HINT = 'Add -v until=1000000, the last position.'; END $$;
\endif
WITH ledger AS (
    SELECT
        l.position,
        l.epoch,
        l.leaf_hash IS NOT DISTINCT FROM l.computed_hash AS hash_right,
        lag(l.position) OVER (PARTITION BY l.epoch ORDER BY l.position) AS before,
        p.first_position
    FROM audit.leaves AS l
    LEFT JOIN audit.epochs AS p ON p.epoch = l.epoch
    WHERE l.position BETWEEN :'from'::bigint AND :'until'::bigint
)
SELECT
    position,
    epoch,
    'the leaf hash does not match the columns' AS problem
FROM ledger
WHERE NOT hash_right
UNION ALL
SELECT
    position,
    epoch,
    'positions are missing before this one'
FROM ledger
WHERE position <> coalesce(before + 1, greatest(first_position, :'from'::bigint))
UNION ALL
SELECT
    max(e.position),
    max(e.epoch),
    'duplicate event id'
FROM audit.events AS e
WHERE e.position BETWEEN :'from'::bigint AND :'until'::bigint
GROUP BY e.event_id
HAVING count(*) > 1
ORDER BY 1;
