-- The steps that follow if nobody reacts to the notifications of an event.

-- name: EscalationNextDue :one
-- Returns the seconds until the first step is due; no row if none waits. One that follows another has the due_at infinity.
SELECT extract(epoch FROM x.due_at - due_now())::double precision AS seconds
FROM escalations AS x
WHERE x.done_at IS NULL
    AND x.due_at < 'infinity'
ORDER BY x.due_at
LIMIT 1;

-- name: EscalationTakeDue :many
-- Locks the steps that are due, longest due first, except those that another transaction has locked. accepted_at is year 1 where
-- nothing was accepted yet. The template version is that in force at the event. cut_off_by is the event that made it untrue, or
-- empty.
SELECT
    x.event_position,
    x.event_id,
    x.rule,
    x.rule_version,
    x.step,
    x.unless,
    extract(epoch FROM x.after)::double precision AS after_seconds,
    x.clinic_id,
    x.due_at,
    x.counted_from,
    coalesce(x.accepted_at, '0001-01-01 00:00:00+00')::timestamptz AS accepted_at,
    now()::timestamptz AS now,
    due_now()::timestamptz AS due_now,
    coalesce((
        SELECT p.version
        FROM template_publications AS p
        WHERE p.position < x.event_position
        ORDER BY p.position DESC
        LIMIT 1
    ), 0)::integer AS template_version,
    coalesce(c.cause_type, '')::text AS cut_off_by
FROM escalations AS x
LEFT JOIN subject_cutoffs AS c
    ON c.subject = x.subject AND c.recipient_id = '00000000-0000-0000-0000-000000000000' AND c.version > x.subject_version
WHERE x.done_at IS NULL
    AND x.due_at <= due_now()
ORDER BY x.due_at
LIMIT @max_rows
FOR UPDATE OF x SKIP LOCKED;

-- name: EscalationPostpone :exec
-- Delays the step that has been due longest.
UPDATE escalations AS x
SET due_at = due_now() + make_interval(secs => @seconds::double precision)
FROM (
    SELECT
        f.event_position,
        f.rule,
        f.step
    FROM escalations AS f
    WHERE f.done_at IS NULL
        AND f.due_at <= due_now()
    ORDER BY f.due_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS first
WHERE x.event_position = first.event_position
    AND x.rule = first.rule
    AND x.step = first.step;

-- name: EscalationProgress :many
-- Returns what has become of the notifications of steps' rules, and of the steps before them: one row for those of the person that
-- the event is about (own), and one for those of others. planned counts the notifications of the rule itself, and still_true those of
-- them that no cut-off ended; cut_off_by is the cause of one that did, or empty. accepted_at, waiting,
-- gone and waits_until are about the messages with the plan_key counted, from whose acceptance the step's time counts: the first
-- acceptance, the messages that wait for a time or a review, those that do not, and until when the first waits (year 1: not, or
-- unknown).
SELECT
    r.event_position::bigint AS event_position,
    r.rule::text AS rule,
    r.step::integer AS step,
    coalesce(n.recipient_id = e.person_id, false)::boolean AS own,
    (count(*) FILTER (WHERE n.plan_key = ''))::bigint AS planned,
    (count(*) FILTER (WHERE n.plan_key = '' AND cutoff.version IS NULL))::bigint AS still_true,
    coalesce(max(cutoff.cause_type), '')::text AS cut_off_by,
    coalesce(bool_or(n.acknowledged_at IS NOT NULL), false)::boolean AS acknowledged,
    coalesce(bool_or(n.read_at IS NOT NULL OR (d.rule = r.rule AND d.state = 'read')), false)::boolean AS read,
    coalesce(bool_or(d.rule = r.rule AND d.state = 'delivered'), false)::boolean AS delivered,
    coalesce(min(d.sent_at) FILTER (WHERE d.rule = r.rule AND d.plan_key = r.counted), '0001-01-01 00:00:00+00')::timestamptz AS accepted_at,
    (count(*) FILTER (WHERE d.rule = r.rule AND d.plan_key = r.counted AND d.state = 'planned'))::bigint AS waiting,
    (count(*) FILTER (WHERE d.rule = r.rule AND d.plan_key = r.counted AND d.state NOT IN ('planned', 'suppressed')))::bigint AS gone,
    coalesce(
        min(d.not_before) FILTER (WHERE d.rule = r.rule AND d.plan_key = r.counted AND d.state = 'planned'),
        '0001-01-01 00:00:00+00'
    )::timestamptz AS waits_until
FROM (
    SELECT
        unnest(@event_positions::bigint[]) AS event_position,
        unnest(@rules::text[]) AS rule,
        unnest(@steps::integer[]) AS step,
        unnest(@counted::text[]) AS counted
) AS r
JOIN notifications AS n ON n.event_position = r.event_position
LEFT JOIN subject_cutoffs AS cutoff
    ON cutoff.subject = n.subject AND cutoff.recipient_id IN ('00000000-0000-0000-0000-000000000000', n.recipient_id) AND cutoff.version > n.subject_version
LEFT JOIN events AS e ON e.position = r.event_position
LEFT JOIN deliveries AS d
    ON d.event_position = n.event_position AND d.recipient_id = n.recipient_id AND d.plan_key = n.plan_key AND d.notification_id = n.id
WHERE n.rule = r.rule
    OR d.rule = r.rule
GROUP BY
    r.event_position,
    r.rule,
    r.step,
    4;

-- name: EscalationTold :many
-- Returns the people that rules, or steps of their escalations, have notified of events, each with the channels of the messages that
-- were not suppressed.
SELECT
    r.event_position::bigint AS event_position,
    r.rule::text AS rule,
    n.recipient_id,
    (array_remove(array_agg(DISTINCT CASE WHEN d.rule = r.rule AND d.state <> 'suppressed' THEN d.channel END), NULL))::text[] AS channels
FROM (
    SELECT
        unnest(@event_positions::bigint[]) AS event_position,
        unnest(@rules::text[]) AS rule
) AS r
JOIN notifications AS n ON n.event_position = r.event_position
LEFT JOIN deliveries AS d
    ON d.event_position = n.event_position AND d.recipient_id = n.recipient_id AND d.plan_key = n.plan_key AND d.notification_id = n.id
WHERE n.rule = r.rule
    OR d.rule = r.rule
GROUP BY
    r.event_position,
    r.rule,
    n.recipient_id;

-- name: EscalationMove :exec
-- Moves the due times of steps that this transaction has locked. accepted_ats has year 1 where nothing was accepted.
UPDATE escalations AS x
SET
    due_at = r.due_at,
    counted_from = r.counted_from,
    accepted_at = nullif(r.accepted_at, '0001-01-01 00:00:00+00')
FROM (
    SELECT
        unnest(@event_positions::bigint[]) AS event_position,
        unnest(@rules::text[]) AS rule,
        unnest(@steps::integer[]) AS step,
        unnest(@due_ats::timestamptz[]) AS due_at,
        unnest(@counted_froms::timestamptz[]) AS counted_from,
        unnest(@accepted_ats::timestamptz[]) AS accepted_at
) AS r
WHERE x.event_position = r.event_position
    AND x.rule = r.rule
    AND x.step = r.step;

-- name: EscalationEnd :exec
-- Ends steps that this transaction has locked. With a reaction, the later steps of the same rule end too that it makes unnecessary:
-- those that wait for one of the states in reactions, joined by commas.
UPDATE escalations AS x
SET
    done_at = now(),
    outcome = r.outcome
FROM (
    SELECT
        unnest(@event_positions::bigint[]) AS event_position,
        unnest(@rules::text[]) AS rule,
        unnest(@steps::integer[]) AS step,
        unnest(@outcomes::text[]) AS outcome,
        unnest(@reactions::text[]) AS reactions
) AS r
WHERE x.event_position = r.event_position
    AND x.rule = r.rule
    AND x.done_at IS NULL
    AND (x.step = r.step OR (x.step > r.step AND x.unless = ANY (string_to_array(r.reactions, ','))));

-- name: EscalationBegin :many
-- Begins to count the time of the next open step after steps that have ended, or makes it due at once if the one before it has
-- reached nobody. Returns the steps.
UPDATE escalations AS x
SET
    due_at = CASE WHEN r.at_once THEN due_now() ELSE due_now() + x.after END,
    counted_from = now()
FROM (
    SELECT
        unnest(@event_positions::bigint[]) AS event_position,
        unnest(@rules::text[]) AS rule,
        unnest(@steps::integer[]) AS step,
        unnest(@at_once::boolean[]) AS at_once
) AS r
WHERE x.event_position = r.event_position
    AND x.rule = r.rule
    AND x.done_at IS NULL
    AND x.step = (
        SELECT min(o.step)
        FROM escalations AS o
        WHERE o.event_position = r.event_position
            AND o.rule = r.rule
            AND o.step > r.step
            AND o.done_at IS NULL
    )
RETURNING
    x.event_position,
    x.rule;

-- name: EscalationList :many
-- Returns the steps of an event's escalations. due_at is year 1 for one that waits for the step before it.
SELECT
    x.rule,
    x.step,
    x.unless,
    coalesce(nullif(x.due_at, 'infinity'), '0001-01-01 00:00:00+00')::timestamptz AS due_at,
    x.done_at,
    x.outcome,
    x.done_by
FROM escalations AS x
WHERE x.event_position = @event_position
ORDER BY
    x.rule,
    x.step;
