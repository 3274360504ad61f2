-- Why was, or was not, somebody told of what happened to a subject?
--
-- Run as the auditor, with the subject and the person's id:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -v subject=lab_report/00000000-0000-0000-0000-000000000000 -v person=00000000-0000-0000-0000-000000000000 -f why_notified.sql
--
-- One row is one channel of one event: what was decided, by which rule, and what became of it. An event with no row was
-- matched by no rule that names the person; rules that named nobody stand with an empty recipient.
SELECT
    e.position,
    e.time,
    e.type,
    d.recipient_id,
    d.channel,
    d.state AS outcome,
    d.reason,
    d.rule,
    d.rule_version,
    d.attempt,
    d.error_code,
    d.updated_at AS settled_at
FROM audit.events AS e
JOIN audit.deliveries AS d ON d.event_position = e.position
WHERE e.subject = :'subject'
    AND d.recipient_id = :'person'
UNION ALL
SELECT
    e.position,
    e.time,
    e.type,
    n.recipient_id,
    n.channel,
    'not sent',
    n.reason,
    n.rule,
    n.rule_version,
    NULL,
    NULL,
    n.decided_at
FROM audit.events AS e
JOIN audit.decisions AS n ON n.event_position = e.position
WHERE e.subject = :'subject'
    AND (n.recipient_id = :'person' OR n.recipient_id IS NULL)
ORDER BY 1, 5;
