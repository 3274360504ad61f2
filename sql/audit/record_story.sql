-- The history of one record: writes, reads, planned notifications with their reasons, and
-- deliveries.
--
-- Run as the auditor, with the record's subject:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -v subject=lab_report/00000000-0000-0000-0000-000000000000 -f record_story.sql
--
-- Each row is one event or one decision not to send, oldest first. A list that included the record
-- counts as a read.
WITH story AS (
    SELECT *
    FROM audit.story(:'subject')
), lists AS (
    -- Reads of lists have the patient as their subject.
    SELECT r.*
    FROM audit.reads AS r
    WHERE r.subject IN (SELECT 'patient/' || s.person_id FROM story AS s WHERE s.person_id IS NOT NULL)
        AND split_part(:'subject', '/', 2) = ANY(r.record_ids::text[])
)
SELECT
    s.position,
    s.time,
    s.type AS what,
    s.actor_id AS who,
    s.actor_role AS as_role,
    coalesce(s.data ->> 'userId', '') AS person,
    coalesce(s.data ->> 'channel', s.data ->> 'action', '') AS how,
    concat_ws(
        ' ',
        'version ' || s.subject_version,
        'rule ' || (s.data ->> 'rule') || ' of set ' || (s.data ->> 'ruleVersion'),
        'state ' || d.state,
        d.reason,
        s.data ->> 'code'
    ) AS why
FROM story AS s
LEFT JOIN audit.deliveries AS d ON d.id = CASE
    WHEN s.data ->> 'deliveryId' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' THEN (s.data ->> 'deliveryId')::uuid
END
UNION ALL
SELECT
    l.position,
    l.time,
    'record.read',
    l.actor_id,
    l.actor_role,
    l.person_id::text,
    l.action,
    ''
FROM lists AS l
UNION ALL
SELECT
    n.event_position,
    n.decided_at,
    'not sent',
    'system:dispatch',
    'system',
    coalesce(n.recipient_id::text, ''),
    coalesce(n.channel, ''),
    'rule ' || n.rule || ' of set ' || n.rule_version || ' ' || n.reason
FROM audit.decisions AS n
WHERE n.event_position IN (SELECT s.position FROM story AS s)
ORDER BY 1, 2;
