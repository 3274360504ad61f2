-- The cut-offs of subjects: what is planned about a lower version is not sent.

-- name: CutoffRaise :batchmany
-- Raises cut-offs, each for everybody (a zero recipient_id) or for one person, and returns what ends: each delivery that waited and
-- is cancelled, a notification without any with a zero delivery_id, and each step of an escalation, with a zero notification_id;
-- step is -1 for the others. The subjects are in the order of their text, in which all lock them. cause_event_ids has the zero id
-- for a personal cut-off.
SELECT
    asked.cause_event_id::uuid AS cause_event_id,
    coalesce(c.notification_id, '00000000-0000-0000-0000-000000000000')::uuid AS notification_id,
    c.event_id::uuid AS event_id,
    coalesce(c.recipient_id, '00000000-0000-0000-0000-000000000000')::uuid AS recipient_id,
    coalesce(c.clinic_id, '00000000-0000-0000-0000-000000000000')::uuid AS clinic_id,
    c.rule::text AS rule,
    c.rule_version::integer AS rule_version,
    coalesce(c.delivery_id, '00000000-0000-0000-0000-000000000000')::uuid AS delivery_id,
    coalesce(c.channel, '')::text AS channel,
    c.reason::text AS reason,
    coalesce(c.step, -1)::integer AS step
FROM (
    SELECT
        unnest(@subjects::text[]) AS subject,
        unnest(@recipient_ids::uuid[]) AS recipient_id,
        unnest(@versions::bigint[]) AS version,
        unnest(@cause_event_ids::uuid[]) AS cause_event_id,
        unnest(@cause_types::text[]) AS cause_type
) AS asked
CROSS JOIN LATERAL raise_cutoff(asked.subject, asked.recipient_id, asked.version,
    nullif(asked.cause_event_id, '00000000-0000-0000-0000-000000000000'), asked.cause_type) AS c (notification_id, event_id,
    recipient_id, clinic_id, rule, rule_version, delivery_id, channel, reason, step);

-- name: CutoffApply :many
-- Ends what was planned for these subjects while their cut-offs for everybody were raised. Returns what CutoffRaise does.
SELECT
    asked.cause_event_id::uuid AS cause_event_id,
    coalesce(c.notification_id, '00000000-0000-0000-0000-000000000000')::uuid AS notification_id,
    c.event_id::uuid AS event_id,
    coalesce(c.recipient_id, '00000000-0000-0000-0000-000000000000')::uuid AS recipient_id,
    coalesce(c.clinic_id, '00000000-0000-0000-0000-000000000000')::uuid AS clinic_id,
    c.rule::text AS rule,
    c.rule_version::integer AS rule_version,
    coalesce(c.delivery_id, '00000000-0000-0000-0000-000000000000')::uuid AS delivery_id,
    coalesce(c.channel, '')::text AS channel,
    c.reason::text AS reason,
    coalesce(c.step, -1)::integer AS step
FROM (
    SELECT
        unnest(@subjects::text[]) AS subject,
        unnest(@cause_event_ids::uuid[]) AS cause_event_id
) AS asked
CROSS JOIN LATERAL cutoff_apply(asked.subject, '00000000-0000-0000-0000-000000000000') AS c (notification_id, event_id, recipient_id, clinic_id,
    rule, rule_version, delivery_id, channel, reason, step);

-- name: CutoffOf :many
-- Returns the cut-offs of those of the subjects that have one. recipient_id is zero for one that holds for everybody, cause_event_id
-- for a personal one. The subquery makes one generic plan do for any number of subjects.
SELECT
    subject,
    recipient_id,
    version,
    cause_type,
    coalesce(cause_event_id, '00000000-0000-0000-0000-000000000000')::uuid AS cause_event_id
FROM subject_cutoffs
WHERE subject = ANY ((SELECT @subjects::text[])::text[]);
