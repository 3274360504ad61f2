-- The history of one record: writes, reads, planned notifications with their reasons, and
-- deliveries.
--
-- Run as the auditor, with the record's subject; add --csv for a spreadsheet:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -v subject=lab_report/00000000-0000-0000-0000-000000000000 -f record_story.sql
--
-- Each row is one event or one decision not to send, oldest first. The events are those of GET
-- /api/audit?subject=…: a list that included the record counts as a read.
\set ON_ERROR_STOP on
\if :{?subject}
\else
DO $$ BEGIN RAISE EXCEPTION 'the variable subject is not set' USING HINT = 'Add -v subject=lab_report/ID, the kind and the id of the record.'; END $$;
\endif
WITH story AS (
    SELECT *
    FROM audit.story(lower(:'subject'))
)
SELECT
    s.position,
    s.time,
    s.type AS what,
    s.actor_id AS who,
    w.name AS who_name,
    s.actor_role AS as_role,
    coalesce(s.person_id::text, s.data ->> 'userId', '') AS person,
    coalesce(s.data ->> 'channel', s.data ->> 'action', '') AS how,
    concat_ws(
        ' ',
        'version ' || s.subject_version,
        'rule ' || (s.data ->> 'rule') || ' of set ' || (s.data ->> 'ruleVersion'),
        'state ' || d.state,
        d.reason,
        s.data ->> 'code',
        'list of ' || (s.data ->> 'kind') || coalesce(' by ' || nullif(array_to_string(audit.texts(s.data -> 'filters'), ', '), ''), '')
    ) AS why,
    s.client_address,
    s.client_agent
FROM story AS s
LEFT JOIN audit.people AS w ON w.id = audit.person_of(s.actor_id)
LEFT JOIN audit.deliveries AS d ON d.id = CASE
    WHEN s.data ->> 'deliveryId' ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' THEN (s.data ->> 'deliveryId')::uuid
END
UNION ALL
SELECT
    n.event_position,
    n.decided_at,
    'not sent',
    'system:dispatch',
    NULL,
    'system',
    coalesce(n.recipient_id::text, ''),
    coalesce(n.channel, ''),
    'rule ' || n.rule || ' of set ' || n.rule_version || ' ' || n.reason,
    NULL,
    NULL
FROM audit.decisions AS n
WHERE n.event_position IN (SELECT s.position FROM story AS s)
ORDER BY 1, 2;
