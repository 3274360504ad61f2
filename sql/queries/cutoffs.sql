-- The cut-offs of subjects: what is planned about a lower version is not sent.

-- name: CutoffRaise :batchmany
-- Raises cut-offs, and returns what waited for these subjects and is cancelled now: each delivery, and a notification without
-- any with a zero delivery_id. The subjects are in the order of their text, in which all lock them.
SELECT
    asked.cause_event_id::uuid AS cause_event_id,
    c.notification_id::uuid AS notification_id,
    c.event_id::uuid AS event_id,
    c.recipient_id::uuid AS recipient_id,
    coalesce(c.clinic_id, '00000000-0000-0000-0000-000000000000')::uuid AS clinic_id,
    c.rule::text AS rule,
    c.rule_version::integer AS rule_version,
    coalesce(c.delivery_id, '00000000-0000-0000-0000-000000000000')::uuid AS delivery_id,
    coalesce(c.channel, '')::text AS channel,
    c.reason::text AS reason
FROM (
    SELECT
        unnest(@subjects::text[]) AS subject,
        unnest(@versions::bigint[]) AS version,
        unnest(@cause_event_ids::uuid[]) AS cause_event_id,
        unnest(@cause_types::text[]) AS cause_type
) AS asked
CROSS JOIN LATERAL raise_cutoff(asked.subject, asked.version, asked.cause_event_id, asked.cause_type) AS c (notification_id, event_id,
    recipient_id, clinic_id, rule, rule_version, delivery_id, channel, reason);

-- name: CutoffCancelWaiting :many
-- Cancels what was planned for these subjects while their cut-offs were raised. Returns what CutoffRaise does.
SELECT
    asked.cause_event_id::uuid AS cause_event_id,
    c.notification_id::uuid AS notification_id,
    c.event_id::uuid AS event_id,
    c.recipient_id::uuid AS recipient_id,
    coalesce(c.clinic_id, '00000000-0000-0000-0000-000000000000')::uuid AS clinic_id,
    c.rule::text AS rule,
    c.rule_version::integer AS rule_version,
    coalesce(c.delivery_id, '00000000-0000-0000-0000-000000000000')::uuid AS delivery_id,
    coalesce(c.channel, '')::text AS channel,
    c.reason::text AS reason
FROM (
    SELECT
        unnest(@subjects::text[]) AS subject,
        unnest(@cause_event_ids::uuid[]) AS cause_event_id
) AS asked
CROSS JOIN LATERAL cutoff_cancel_waiting(asked.subject) AS c (notification_id, event_id, recipient_id, clinic_id, rule, rule_version,
    delivery_id, channel, reason);

-- name: CutoffOf :many
-- Returns the cut-offs of those of the subjects that have one.
SELECT
    subject,
    version,
    cause_type,
    cause_event_id
FROM subject_cutoffs
WHERE subject = ANY (@subjects::text[]);
