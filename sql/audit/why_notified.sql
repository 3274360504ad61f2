-- The reasons why a person was or was not notified of the events of a subject.
--
-- Run as the auditor, with the subject and the person's id; add --csv for a spreadsheet:
--   psql "$DATABASE_URL" -c 'SET ROLE carewire_auditor' -v subject=lab_report/00000000-0000-0000-0000-000000000000 -v person=00000000-0000-0000-0000-000000000000 -f why_notified.sql
--
-- Each row is one channel of one event: the decision, the rule and the outcome. An event without a
-- row was matched by no rule with the person as a recipient; a rule without any recipient has a row
-- with an empty recipient_id.
\set ON_ERROR_STOP on
\if :{?subject}
\else
DO $$ BEGIN RAISE EXCEPTION 'the variable subject is not set' USING HINT = 'Add -v subject=lab_report/ID, the kind and the id of the record.'; END $$;
\endif
\if :{?person}
\else
DO $$ BEGIN RAISE EXCEPTION 'the variable person is not set' USING HINT = 'Add -v person=ID, the id of the person.'; END $$;
\endif
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
WHERE e.subject = lower(:'subject')
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
WHERE e.subject = lower(:'subject')
    AND (n.recipient_id = :'person' OR n.recipient_id IS NULL)
ORDER BY 1, 5;
