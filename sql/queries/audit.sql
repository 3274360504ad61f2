-- The audit trail as the service reads it.

-- Returns the events of a subject and those that they caused, transitively, oldest first: the same
-- as audit.story(), paged. An effect comes after its cause, so a page needs at most as many of the
-- subject's own events after the cursor as it has rows. Each step is a lookup by cause (LATERAL and
-- OFFSET enforce it), and the page's rows are then read by position, regardless of the planner's
-- row estimates.
-- name: AuditStory :many
WITH RECURSIVE told AS (
    (
        SELECT
            s.position,
            s.event_id
        FROM events AS s
        WHERE s.subject = @subject
            AND s.position <= @after::bigint
        UNION ALL
        (
            SELECT
                s.position,
                s.event_id
            FROM events AS s
            WHERE s.subject = @subject
                AND s.position > @after::bigint
            ORDER BY s.position
            LIMIT @row_limit
        )
    )
    UNION
    SELECT
        c.position,
        c.event_id
    FROM told AS t
    CROSS JOIN LATERAL (
        SELECT
            x.position,
            x.event_id
        FROM events AS x
        WHERE x.cause_id = t.event_id
        OFFSET 0
    ) AS c
)
SELECT e.*
FROM events AS e
WHERE e.position = ANY(ARRAY(
    SELECT t.position
    FROM told AS t
    WHERE t.position > @after::bigint
    ORDER BY t.position
    LIMIT @row_limit
))
ORDER BY e.position;
