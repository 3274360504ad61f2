-- The audit trail as the service reads it.

-- The events of a subject and those that they caused, transitively, oldest first: the same as audit.story(), paged. An effect
-- comes after its cause, so that a page needs no more of the subject's own events behind the mark than it has rows. Each
-- step is a look-up by cause (LATERAL and OFFSET keep it one), and the page's rows are then read by position, whatever the
-- planner thinks how many there are.
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
