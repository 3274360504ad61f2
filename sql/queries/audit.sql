-- The audit trail as the service reads it.

-- The events of a subject and those that they caused, transitively, oldest first: the same as audit.story(), paged. The
-- indexes on subject and cause_id serve the two steps; the page's rows are then read by position, whatever the planner
-- thinks how many there are.
-- name: AuditStory :many
WITH RECURSIVE told AS (
    SELECT
        s.position,
        s.event_id
    FROM events AS s
    WHERE s.subject = @subject
    UNION
    SELECT
        c.position,
        c.event_id
    FROM told AS t
    JOIN events AS c ON c.cause_id = t.event_id
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
