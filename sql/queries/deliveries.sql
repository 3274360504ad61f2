-- Delivery processing: claim, settle, fall back, sweep.
--
-- Claim and settle run for every message or two, and planning takes longer than executing them.
-- They hide the lengths of their arrays in subqueries, so that PostgreSQL never considers a custom
-- plan cheaper, and keeps one generic plan.

-- name: DeliveryClaim :many
-- Begins attempts, and returns everything that each needs, or why none can begin; no row where there is no such delivery. Each id
-- is given once, with its channel's address_kind, whether a repeat is harmless (repeat_safe), and the provider that is called next.
--   settled    nothing is left to do
--   cut_off    the message is no longer true: a later version of its subject, by the event cut_off_by, raised the cut-off
--   in_flight  another run began an attempt less than stale_seconds ago
--   crashed    an earlier run was interrupted during the call, and the message must not be sent twice
-- An interrupted call whose subject was cut off meanwhile is crashed on every channel: it may have arrived, and is not repeated.
-- A claim after an interrupted call marks the message as a possible duplicate, and succeeds once. A run that claims again, because
-- its claim was not confirmed, gets the same attempt. It changes no indexed column, so that the new version of the row needs no
-- index entry. Rows are locked in the order of their ids. event_data has the event_fields of the event's data alone, and nothing of
-- an event that is no longer stored. Suppressions are joined by the hash that address_hash computes: a call of address_suppression for
-- each row costs as much as the rest of the claim.
WITH asked AS (
    SELECT
        unnest((SELECT @ids::uuid[])) AS id,
        unnest((SELECT @channels::text[])) AS channel,
        unnest((SELECT @address_kinds::text[])) AS address_kind,
        unnest((SELECT @repeat_safe::boolean[])) AS repeat_safe,
        unnest((SELECT @runs::uuid[])) AS run,
        unnest((SELECT @providers::text[])) AS provider
), before AS (
    SELECT
        d.*,
        asked.address_kind,
        asked.repeat_safe,
        asked.run,
        asked.provider AS asked_provider,
        (d.attempt_started_at IS NOT NULL AND d.claimed_by IS NOT DISTINCT FROM asked.run) AS own,
        n.event_type,
        n.subject,
        n.clinic_id,
        n.category,
        n.rule AS notification_rule,
        n.rule_version,
        cutoff.cause_type AS cut_off_by
    FROM asked
    JOIN deliveries AS d ON d.id = asked.id AND d.channel = asked.channel
    JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position
    LEFT JOIN subject_cutoffs AS cutoff
        ON cutoff.subject = n.subject AND cutoff.recipient_id IN ('00000000-0000-0000-0000-000000000000', n.recipient_id) AND cutoff.version > n.subject_version
    ORDER BY d.id
    FOR UPDATE OF d
), claimed AS (
    UPDATE deliveries AS d
    SET
        attempt = CASE WHEN before.own THEN d.attempt ELSE d.attempt + 1 END,
        attempt_started_at = now(),
        claimed_by = before.run,
        provider = coalesce(nullif(before.asked_provider, ''), d.provider),
        possible_duplicate = d.possible_duplicate OR (before.attempt_started_at IS NOT NULL AND NOT before.own)
    FROM before
    WHERE d.id = before.id
        AND d.event_position = before.event_position
        AND before.state = 'queued'
        AND before.cut_off_by IS NULL
        AND (
            before.attempt_started_at IS NULL
            OR before.own
            OR (
                before.attempt_started_at < now() - make_interval(secs => @stale_seconds)
                AND NOT before.possible_duplicate
                AND (before.repeat_safe OR before.priority = 'critical')
            )
        )
    RETURNING d.id
), judged AS (
    SELECT
        before.*,
        -- A hashed look-up: a join would compare every row with every other.
        before.id IN (SELECT claimed.id FROM claimed) AS claimed
    FROM before
)
SELECT
    CASE
        WHEN before.state <> 'queued' THEN 'settled'
        WHEN before.claimed THEN 'claimed'
        WHEN before.cut_off_by IS NOT NULL AND (before.attempt_started_at IS NULL OR before.own) THEN 'cut_off'
        WHEN before.attempt_started_at >= now() - make_interval(secs => @stale_seconds) THEN 'in_flight'
        ELSE 'crashed'
    END::text AS verdict,
    coalesce(before.cut_off_by, '')::text AS cut_off_by,
    before.id,
    before.notification_id,
    before.event_id,
    before.recipient_id,
    before.channel,
    before.priority,
    before.template,
    before.template_version,
    before.fallback,
    before.correlation_id,
    before.traceparent,
    before.created_at,
    before.updated_at,
    (before.attempt + CASE WHEN before.claimed AND NOT before.own THEN 1 ELSE 0 END)::integer AS attempt,
    (before.possible_duplicate OR (before.claimed AND before.attempt_started_at IS NOT NULL AND NOT before.own))::boolean AS possible_duplicate,
    before.event_type,
    before.subject,
    before.clinic_id,
    before.category,
    before.notification_rule AS rule,
    before.rule_version,
    coalesce(brand.display_name, '')::text AS brand_name,
    coalesce(brand.logo_url, '')::text AS brand_logo_url,
    coalesce(brand.color, '')::text AS brand_color,
    coalesce(brand.reply_to, '')::text AS brand_reply_to,
    e.time AS event_at,
    CASE
        WHEN e.data ?| (SELECT @event_fields::text[])::text[] THEN (
            SELECT jsonb_object_agg(f.key, f.value)
            FROM jsonb_each(e.data) AS f
            WHERE f.key = ANY((SELECT @event_fields::text[])::text[])
        )
        ELSE '{}'
    END::jsonb AS event_data,
    coalesce(clinic.time_zone, '')::text AS clinic_zone,
    coalesce(user_address(u, before.address_kind), '')::text AS address,
    user_address_state(u, before.address_kind, EXISTS (SELECT FROM devices AS v WHERE v.user_id = u.id OFFSET 0), suppressed.reason)::text AS contact,
    u.locale,
    u.time_zone,
    (u.status = 'active')::boolean AS active,
    ARRAY(
        SELECT v.id FROM devices AS v
        WHERE v.user_id = u.id AND before.address_kind = 'devices'
        ORDER BY v.last_seen_at DESC, v.id
    )::uuid[] AS device_ids,
    ARRAY(
        SELECT v.token FROM devices AS v
        WHERE v.user_id = u.id AND before.address_kind = 'devices'
        ORDER BY v.last_seen_at DESC, v.id
    )::text[] AS device_tokens,
    ARRAY(
        SELECT v.platform FROM devices AS v
        WHERE v.user_id = u.id AND before.address_kind = 'devices'
        ORDER BY v.last_seen_at DESC, v.id
    )::text[] AS device_platforms
FROM judged AS before
JOIN users AS u ON u.id = before.recipient_id
LEFT JOIN suppressions AS suppressed
    ON suppressed.kind = before.address_kind
    AND suppressed.address_hash = sha256(
        (SELECT s.value FROM service_settings AS s WHERE s.name = 'address_key')
        || convert_to(before.address_kind || ':' || user_address(u, before.address_kind), 'UTF8')
    )
LEFT JOIN events AS e ON e.position = before.event_position AND e.event_id = before.event_id
LEFT JOIN clinics AS clinic ON clinic.id = before.clinic_id
LEFT JOIN clinic_brands AS brand ON brand.clinic_id = before.clinic_id;

-- name: DeliveryMove :execrows
-- Records the provider that this run of the attempt calls next. No row if the attempt is no longer this run's.
UPDATE deliveries
SET provider = @provider::text
WHERE id = @id
    AND channel = @channel
    AND attempt = @attempt
    AND state = 'queued'
    AND attempt_started_at IS NOT NULL
    AND claimed_by = @run::uuid;

-- name: DeliverySettle :many
-- Ends attempts together with their events, in one statement. A delivery is left unchanged, and its
-- events are dropped, if its state is not in from_states (separated by commas), or if another
-- attempt or another run has claimed it; a run of zeros matches any. An unused attempt is returned,
-- and leaves updated_at unchanged. gone_ids are devices of gone_user_ids that the provider no
-- longer knows. An event is appended if the row that it refers to (event_refs) was settled or
-- removed. Returns the settled deliveries.
WITH outcomes AS (
    SELECT
        unnest((SELECT @ids::uuid[])) AS id,
        unnest((SELECT @attempts::integer[])) AS attempt,
        unnest((SELECT @runs::uuid[])) AS run,
        unnest((SELECT @from_states::text[])) AS from_states,
        unnest((SELECT @states::text[])) AS state,
        unnest((SELECT @reasons::text[])) AS reason,
        unnest((SELECT @providers::text[])) AS provider,
        unnest((SELECT @provider_ids::text[])) AS provider_id,
        unnest((SELECT @error_codes::text[])) AS error_code,
        unnest((SELECT @possible_duplicates::boolean[])) AS possible_duplicate,
        unnest((SELECT @wait_seconds::double precision[])) AS wait_seconds,
        unnest((SELECT @unused::boolean[])) AS unused
), settled AS (
    UPDATE deliveries AS d
    SET
        state = o.state,
        attempt = CASE WHEN o.unused THEN d.attempt - 1 ELSE d.attempt END,
        reason = coalesce(nullif(o.reason, ''), d.reason),
        attempt_started_at = NULL,
        possible_duplicate = d.possible_duplicate OR o.possible_duplicate,
        deadline_at = CASE WHEN o.wait_seconds > 0 THEN now() + make_interval(secs => o.wait_seconds) END,
        provider = coalesce(nullif(o.provider, ''), d.provider),
        provider_id = coalesce(nullif(o.provider_id, ''), d.provider_id),
        error_code = nullif(o.error_code, ''),
        sent_at = CASE WHEN o.state = 'sent' THEN now() ELSE d.sent_at END,
        updated_at = CASE WHEN o.unused THEN d.updated_at ELSE now() END
    FROM outcomes AS o
    WHERE d.id = o.id
        AND d.attempt = o.attempt
        AND d.state = ANY(string_to_array(o.from_states, ','))
        AND (o.run = '00000000-0000-0000-0000-000000000000' OR d.claimed_by = o.run)
    RETURNING d.id
), gone AS (
    SELECT
        unnest((SELECT @gone_ids::uuid[])) AS id,
        unnest((SELECT @gone_user_ids::uuid[])) AS user_id
), removed AS (
    DELETE FROM devices AS v
    USING gone
    WHERE v.id = gone.id
        AND v.user_id = gone.user_id
    RETURNING v.id
), news AS (
    SELECT
        unnest((SELECT @event_refs::uuid[])) AS ref,
        unnest((SELECT @event_ids::uuid[])) AS event_id,
        unnest((SELECT @types::text[])) AS type,
        unnest((SELECT @sources::text[])) AS source,
        unnest((SELECT @subjects::text[])) AS subject,
        unnest((SELECT @times::timestamptz[])) AS time,
        unnest((SELECT @datas::jsonb[])) AS data,
        unnest((SELECT @clinic_ids::uuid[])) AS clinic_id,
        unnest((SELECT @person_ids::uuid[])) AS person_id,
        unnest((SELECT @actor_ids::text[])) AS actor_id,
        unnest((SELECT @actor_roles::text[])) AS actor_role,
        unnest((SELECT @cause_ids::uuid[])) AS cause_id,
        unnest((SELECT @correlation_ids::text[])) AS correlation_id,
        unnest((SELECT @traceparents::text[])) AS traceparent
), told AS (
    INSERT INTO outbox (event_id, type, source, subject, time, data, clinic_id, person_id, actor_id, actor_role, cause_id,
        correlation_id, traceparent)
    SELECT
        news.event_id,
        news.type,
        news.source,
        news.subject,
        news.time,
        news.data,
        nullif(news.clinic_id, '00000000-0000-0000-0000-000000000000'),
        news.person_id,
        news.actor_id,
        news.actor_role,
        nullif(news.cause_id, '00000000-0000-0000-0000-000000000000'),
        nullif(news.correlation_id, ''),
        nullif(news.traceparent, '')
    FROM news
    WHERE news.ref IN (SELECT settled.id FROM settled UNION ALL SELECT removed.id FROM removed)
)
SELECT settled.id
FROM settled;

-- name: DeliveryFallback :one
-- Plans the replacement of a failed delivery on another channel of the person. Returns no row if
-- there is no address, or none that the rule allows, if the channel is off for the person (which
-- is ignored for critical messages), if they already have the event on that channel, or if the message
-- is no longer true. It is a possible duplicate if the original may have arrived.
-- It is queued, or planned if the person may have quiet hours or a daily digest: the scheduler decides
-- about it at once, as about any other that waits.
WITH replacement AS (
    INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, reason, rule, template, template_version,
        priority, fallback, unverified, possible_duplicate, correlation_id, traceparent, plan_key)
    SELECT
        @id,
        d.event_position,
        d.notification_id,
        d.event_id,
        d.recipient_id,
        @channel::text,
        CASE WHEN d.priority <> 'critical' AND messages_may_wait(d.recipient_id, n.clinic_id) THEN 'planned' ELSE 'queued' END,
        @reason::text,
        d.rule,
        d.template,
        d.template_version,
        d.priority,
        @fallback::text[],
        d.unverified,
        d.possible_duplicate OR d.state = 'unknown',
        d.correlation_id,
        d.traceparent,
        d.plan_key
    FROM deliveries AS d
    JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position
    JOIN users AS u ON u.id = d.recipient_id
    WHERE d.id = @instead_of
        AND u.status = 'active'
        AND NOT EXISTS (
            SELECT
            FROM subject_cutoffs AS cutoff
            WHERE cutoff.subject = n.subject
                AND cutoff.recipient_id IN ('00000000-0000-0000-0000-000000000000', n.recipient_id)
                AND cutoff.version > n.subject_version
        )
        AND (d.priority = 'critical' OR preference_setting(d.recipient_id, n.clinic_id, n.category, @channel::text) <> 'off')
        AND CASE user_address_state(u, @address_kind::text, EXISTS (SELECT FROM devices AS v WHERE v.user_id = u.id OFFSET 0))
            WHEN 'verified' THEN true
            WHEN 'unverified' THEN d.unverified
            ELSE false
        END
    ON CONFLICT (event_position, recipient_id, plan_key, channel) DO NOTHING
    RETURNING
        deliveries.id,
        deliveries.event_position,
        deliveries.notification_id,
        deliveries.priority,
        deliveries.state
), due AS (
    UPDATE notifications AS n
    SET due_at = least(n.due_at, due_now())
    FROM replacement AS r
    WHERE r.state = 'planned'
        AND n.id = r.notification_id
        AND n.event_position = r.event_position
)
SELECT
    r.id,
    r.priority,
    r.state
FROM replacement AS r;

-- name: NotificationLockOf :exec
-- Locks the notifications of deliveries, in the order of their ids. Who changes both locks the notification first.
SELECT
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position
WHERE d.id = ANY(@ids::uuid[])
ORDER BY n.id
FOR NO KEY UPDATE OF n;

-- name: SweepInOrder :exec
-- For this transaction: rows are read from their index in order, so that a limit ends the scan
-- regardless of the planner's row estimates.
SELECT
    set_config('enable_sort', 'off', true),
    set_config('enable_bitmapscan', 'off', true);

-- name: SweepCursor :one
-- Returns the position from which a sweep continues; no row at the beginning of a round.
SELECT
    after_time,
    after_id
FROM sweeps
WHERE name = @name;

-- name: SweepAdvance :exec
INSERT INTO sweeps (name, after_time, after_id)
VALUES (@name, @after_time, @after_id)
ON CONFLICT (name) DO UPDATE
SET after_time = excluded.after_time,
    after_id = excluded.after_id,
    updated_at = now();

-- name: SweepRestart :exec
DELETE FROM sweeps
WHERE name = @name;

-- name: DeliveryQueuedPage :many
-- Returns the queued delivery row_skip rows after a position, in the order of planning; no row if
-- there are fewer. Only the index of states has this order. With state = 'queued' the index of all
-- deliveries has it too, and PostgreSQL can expect that one to cost less.
SELECT
    q.created_at,
    q.id
FROM deliveries AS q
WHERE q.state <= 'queued'
    AND q.state <> 'sent'
    AND (q.state, q.created_at, q.id) > ('queued', @after_time::timestamptz, @after_id::uuid)
ORDER BY q.state, q.created_at, q.id
LIMIT 1
OFFSET @row_skip;

-- name: DeliveryStranded :many
-- Returns the queued deliveries between two positions that have no live job and were not changed
-- recently, ordered for the index of states as in DeliveryQueuedPage. last_job is the final state of
-- the last job, if River still has it. Each lookup of a job is one probe of an index, regardless of the
-- planner's estimate of jobs.
SELECT
    lost.created_at,
    lost.id,
    coalesce(ended.state, '')::text AS last_job
FROM (
    SELECT
        q.created_at,
        q.id
    FROM deliveries AS q
    LEFT JOIN LATERAL (
        SELECT j.id
        FROM river.river_job AS j
        WHERE j.kind = 'delivery'
            AND (j.args ->> 'deliveryId')::uuid = q.id
            AND j.state NOT IN ('completed', 'cancelled', 'discarded')
        LIMIT 1
    ) AS live ON true
    WHERE q.state <> 'sent'
        AND (q.state, q.created_at, q.id) > ('queued', @after_time::timestamptz, @after_id::uuid)
        AND (q.state, q.created_at, q.id) <= ('queued', @last_time::timestamptz, @last_id::uuid)
        AND q.updated_at < now() - make_interval(secs => @grace_seconds)
        AND coalesce(q.attempt_started_at, '-infinity') < now() - make_interval(secs => @grace_seconds)
        AND live.id IS NULL
    ORDER BY q.state, q.created_at, q.id
    LIMIT @max_rows
) AS lost
LEFT JOIN LATERAL (
    SELECT (array_agg(j.state::text ORDER BY j.id DESC))[1] AS state
    FROM river.river_job AS j
    WHERE j.kind = 'delivery'
        AND j.args @> jsonb_build_object('deliveryId', lost.id)
) AS ended ON true
ORDER BY lost.created_at, lost.id;

-- name: DeliveryTakeStranded :many
-- Takes the deliveries that are still without a job. A delivery that was taken is not found again
-- for the same period.
WITH taken AS (
    SELECT
        q.id,
        q.event_position
    FROM deliveries AS q
    WHERE q.id = ANY (@ids::uuid[])
        AND q.state = 'queued'
        AND q.updated_at < now() - make_interval(secs => @grace_seconds)
        AND coalesce(q.attempt_started_at, '-infinity') < now() - make_interval(secs => @grace_seconds)
    ORDER BY q.id
    FOR UPDATE SKIP LOCKED
)
UPDATE deliveries AS d
SET updated_at = now()
FROM taken
WHERE d.id = taken.id
    AND d.event_position = taken.event_position
RETURNING
    d.id,
    d.notification_id,
    d.event_id,
    d.recipient_id,
    d.channel,
    d.priority,
    d.attempt,
    d.possible_duplicate,
    d.correlation_id,
    d.traceparent;

-- name: DeliveryPark :execrows
-- Ends a delivery if the database refuses its event, so that it does not block others. No event is
-- appended.
UPDATE deliveries
SET
    state = 'failed',
    attempt_started_at = NULL,
    deadline_at = NULL,
    error_code = 'unsettleable',
    updated_at = now()
WHERE id = @id
    AND attempt = @attempt
    AND state = ANY(string_to_array(@from_states::text, ','));

-- name: DeliveryExpired :many
-- Returns deliveries that waited for a receipt until their deadline, longest expired first.
SELECT
    d.id,
    d.notification_id,
    d.event_id,
    d.recipient_id,
    d.channel,
    d.priority,
    d.template,
    d.fallback,
    d.attempt,
    d.possible_duplicate,
    d.provider,
    d.provider_id,
    d.error_code,
    d.correlation_id,
    d.traceparent,
    n.clinic_id,
    n.rule,
    n.rule_version
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position
WHERE d.state = 'uncertain'
    AND d.deadline_at < now()
ORDER BY d.deadline_at
LIMIT @max_rows;

-- The operators' lists of deliveries, last planned first. Each statement reads along one index, at most 1,000 of its rows, and
-- filters them: the cost of a page depends neither on how rare a filter is nor on the size of the table. The row at which it
-- stopped for that reason is returned as last_read, also if it does not match. The bound is a literal, so that the plan for any
-- arguments knows it. A page continues below (@before_time, @before_id). Only the rows of the page are joined with their
-- notifications. They run with PlanForAnyValues.

-- name: PlanForAnyValues :exec
-- For this transaction: each session plans a statement once, for any arguments. Planning a list of partitioned tables takes
-- longer than reading a page, and a plan for known values follows estimates to another index.
SELECT set_config('plan_cache_mode', 'force_generic_plan', true);

-- name: DeliveryList :many
SELECT
    l.*,
    page.matches,
    page.last_read
FROM (
    SELECT
        examined.*,
        (examined.number = 1000)::boolean AS last_read
    FROM (
        SELECT
            d.id,
            d.event_position,
            d.created_at,
            (
                (@channel::text = '' OR d.channel = @channel)
                AND (@state::text = '' OR d.state = @state)
            )::boolean AS matches,
            row_number() OVER (ORDER BY d.created_at DESC, d.id DESC) AS number
        FROM deliveries AS d
        WHERE d.created_at >= @created_from::timestamptz
            AND (d.created_at, d.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY d.created_at DESC, d.id DESC
        LIMIT 1000
    ) AS examined
    WHERE examined.matches
        OR examined.number = 1000
    ORDER BY examined.created_at DESC, examined.id DESC
    LIMIT @max_rows
) AS page
CROSS JOIN LATERAL (
    SELECT *
    FROM listed_deliveries AS v
    WHERE v.event_position = page.event_position
        AND v.id = page.id
    OFFSET 0
) AS l
ORDER BY page.created_at DESC, page.id DESC;

-- name: DeliveryListOfRecipient :many
SELECT
    l.*,
    page.matches,
    page.last_read
FROM (
    SELECT
        examined.*,
        (examined.number = 1000)::boolean AS last_read
    FROM (
        SELECT
            d.id,
            d.event_position,
            d.created_at,
            (
                (@channel::text = '' OR d.channel = @channel)
                AND (@rule::text = '' OR d.rule = @rule)
                AND (@state::text = '' OR d.state = @state)
            )::boolean AS matches,
            row_number() OVER (ORDER BY d.created_at DESC, d.id DESC) AS number
        FROM deliveries AS d
        WHERE d.recipient_id = @recipient_id
            AND d.created_at >= @created_from::timestamptz
            AND (d.created_at, d.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY d.created_at DESC, d.id DESC
        LIMIT 1000
    ) AS examined
    WHERE examined.matches
        OR examined.number = 1000
    ORDER BY examined.created_at DESC, examined.id DESC
    LIMIT @max_rows
) AS page
CROSS JOIN LATERAL (
    SELECT *
    FROM listed_deliveries AS v
    WHERE v.event_position = page.event_position
        AND v.id = page.id
    OFFSET 0
) AS l
ORDER BY page.created_at DESC, page.id DESC;

-- name: DeliveryListOfRule :many
SELECT
    l.*,
    page.matches,
    page.last_read
FROM (
    SELECT
        examined.*,
        (examined.number = 1000)::boolean AS last_read
    FROM (
        SELECT
            d.id,
            d.event_position,
            d.created_at,
            (
                (@channel::text = '' OR d.channel = @channel)
                AND (@state::text = '' OR d.state = @state)
            )::boolean AS matches,
            row_number() OVER (ORDER BY d.created_at DESC, d.id DESC) AS number
        FROM deliveries AS d
        WHERE d.rule = @rule
            AND d.created_at >= @created_from::timestamptz
            AND (d.created_at, d.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY d.created_at DESC, d.id DESC
        LIMIT 1000
    ) AS examined
    WHERE examined.matches
        OR examined.number = 1000
    ORDER BY examined.created_at DESC, examined.id DESC
    LIMIT @max_rows
) AS page
CROSS JOIN LATERAL (
    SELECT *
    FROM listed_deliveries AS v
    WHERE v.event_position = page.event_position
        AND v.id = page.id
    OFFSET 0
) AS l
ORDER BY page.created_at DESC, page.id DESC;

-- name: DeliveryListInState :many
-- For every state except sent.
SELECT
    l.*,
    page.matches,
    page.last_read
FROM (
    SELECT
        examined.*,
        (examined.number = 1000)::boolean AS last_read
    FROM (
        SELECT
            d.id,
            d.event_position,
            d.created_at,
            (
                (@channel::text = '' OR d.channel = @channel)
                AND (@rule::text = '' OR d.rule = @rule)
            )::boolean AS matches,
            row_number() OVER (ORDER BY d.created_at DESC, d.id DESC) AS number
        FROM deliveries AS d
        WHERE d.state = @state
            AND d.state <> 'sent'
            AND d.created_at >= @created_from::timestamptz
            AND (d.created_at, d.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY d.created_at DESC, d.id DESC
        LIMIT 1000
    ) AS examined
    WHERE examined.matches
        OR examined.number = 1000
    ORDER BY examined.created_at DESC, examined.id DESC
    LIMIT @max_rows
) AS page
CROSS JOIN LATERAL (
    SELECT *
    FROM listed_deliveries AS v
    WHERE v.event_position = page.event_position
        AND v.id = page.id
    OFFSET 0
) AS l
ORDER BY page.created_at DESC, page.id DESC;

-- name: DeliveryListOnChannel :many
-- For every channel except email and push.
SELECT
    l.*,
    page.matches,
    page.last_read
FROM (
    SELECT
        examined.*,
        (examined.number = 1000)::boolean AS last_read
    FROM (
        SELECT
            d.id,
            d.event_position,
            d.created_at,
            (
                (@state::text = '' OR d.state = @state)
            )::boolean AS matches,
            row_number() OVER (ORDER BY d.created_at DESC, d.id DESC) AS number
        FROM deliveries AS d
        WHERE d.channel = @channel
            AND d.channel NOT IN ('email', 'push')
            AND d.created_at >= @created_from::timestamptz
            AND (d.created_at, d.id) < (@before_time::timestamptz, @before_id::uuid)
        ORDER BY d.created_at DESC, d.id DESC
        LIMIT 1000
    ) AS examined
    WHERE examined.matches
        OR examined.number = 1000
    ORDER BY examined.created_at DESC, examined.id DESC
    LIMIT @max_rows
) AS page
CROSS JOIN LATERAL (
    SELECT *
    FROM listed_deliveries AS v
    WHERE v.event_position = page.event_position
        AND v.id = page.id
    OFFSET 0
) AS l
ORDER BY page.created_at DESC, page.id DESC;

-- name: DeliveryPlannedAt :one
SELECT created_at
FROM deliveries
WHERE id = @id;

-- name: DeliveryTakeForRedrive :one
-- cut_off_by is the event that made the message untrue, or empty. reachable reports that the person has, by now, a verified address for the channel, or an unverified one that the rule may use.
-- address_kinds are those of the channels, in their order; no one is reachable on a channel that is not in the list.
SELECT
    d.id,
    d.notification_id,
    d.event_id,
    d.recipient_id,
    d.channel,
    d.state,
    d.reason,
    d.priority,
    d.attempt,
    d.correlation_id,
    d.traceparent,
    n.clinic_id,
    n.rule,
    n.rule_version,
    coalesce(cutoff.cause_type, '')::text AS cut_off_by,
    CASE user_address_state(u, (@address_kinds::text[])[array_position(@channels::text[], d.channel)], EXISTS (SELECT FROM devices AS v WHERE v.user_id = u.id OFFSET 0))
        WHEN 'verified' THEN true
        WHEN 'unverified' THEN d.unverified
        ELSE false
    END::boolean AS reachable
FROM deliveries AS d
JOIN notifications AS n ON n.id = d.notification_id AND n.event_position = d.event_position
JOIN users AS u ON u.id = d.recipient_id
LEFT JOIN subject_cutoffs AS cutoff
    ON cutoff.subject = n.subject AND cutoff.recipient_id IN ('00000000-0000-0000-0000-000000000000', n.recipient_id) AND cutoff.version > n.subject_version
WHERE d.id = @id
FOR UPDATE OF d;

-- name: DeliveryRequeue :exec
-- attempt continues to count, so that an earlier run can never settle a later one. A message with
-- an unknown outcome, or with one that could not be stored, may have arrived; earlier releases
-- marked the former as failed, without a receipt.
UPDATE deliveries
SET
    state = 'queued',
    reason = @reason,
    attempt_started_at = NULL,
    possible_duplicate = possible_duplicate OR state = 'unknown' OR coalesce(error_code, '') IN ('no_receipt', 'unsettleable'),
    deadline_at = NULL,
    error_code = NULL,
    updated_at = now()
WHERE id = @id;

-- name: PeriodicJobForget :execrows
-- Deletes completed jobs of a kind, except one. The order is that of River's index for fetching
-- jobs, so that the plan reads no other queue.
DELETE FROM river.river_job
WHERE id IN (
    SELECT j.id
    FROM river.river_job AS j
    WHERE j.state = 'completed'
        AND j.queue = @queue
        AND j.priority = @priority
        AND j.kind = @kind
        AND j.id <> @id
    ORDER BY j.scheduled_at, j.id
    LIMIT 100
);
