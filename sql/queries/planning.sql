-- name: PlanningDirectory :many
-- Returns every possible recipient of a batch: the people with these ids, the holders of these roles at these clinics, and, for
-- care teams with team_told, their members; the other care teams only show which recipients are on them. posts are the clinic/role
-- pairs that the person holds now at the clinics of the events, as in rule.RoleKeyOf; teams are the person's care teams among
-- these, as in rule.TeamOf; conversations are those in which the person takes part, as staff or as the patient, as in
-- rule.ConversationOf; settings are what the person chose at the clinics of the events and, without a clinic, for all of them:
-- clinic/category/channel/setting; quiet_hours is JSON null if the person set none. Each kind of address has its
-- user_address_state, with the suppressions joined by the hash that address_hash computes. No address is read: it is read when the message is sent.
-- The lengths of the arrays are hidden in subqueries, so that there is one generic plan: planning takes longer than executing it.
WITH pairs AS (
    SELECT
        unnest((SELECT @clinic_ids::uuid[])) AS clinic_id,
        unnest((SELECT @roles::text[])) AS role
), asked AS (
    SELECT
        unnest((SELECT @team_clinic_ids::uuid[])) AS clinic_id,
        unnest((SELECT @team_patient_ids::uuid[])) AS patient_id,
        unnest((SELECT @team_told::boolean[])) AS told
), members AS (
    SELECT
        t.member_id AS user_id,
        bool_or(asked.told) AS told,
        array_agg(t.clinic_id::text || '/' || t.patient_id::text ORDER BY t.clinic_id, t.patient_id) AS teams
    FROM asked
    JOIN care_team AS t ON t.patient_id = asked.patient_id AND t.clinic_id = asked.clinic_id
    GROUP BY t.member_id
), talkers AS (
    SELECT
        p.user_id,
        array_agg(CASE WHEN p.as_patient THEN 'patient/' ELSE 'staff/' END || p.conversation_id::text) AS conversations
    FROM conversation_parts((SELECT @conversation_ids::uuid[])) AS p (conversation_id, user_id, as_patient)
    GROUP BY p.user_id
), address_key AS (
    SELECT s.value
    FROM service_settings AS s
    WHERE s.name = 'address_key'
), persons AS (
    SELECT unnest((SELECT @user_ids::uuid[])) AS user_id
    UNION
    SELECT m.user_id
    FROM pairs
    JOIN memberships AS m ON m.clinic_id = pairs.clinic_id AND m.role = pairs.role AND m.revoked_at IS NULL
    UNION
    SELECT members.user_id
    FROM members
    WHERE members.told
)
SELECT
    u.id,
    (u.status = 'active')::boolean AS active,
    (u.deceased_on IS NOT NULL)::boolean AS deceased,
    user_address_state(u, 'email', false, by_email.reason)::text AS email,
    user_address_state(u, 'phone', false, by_phone.reason)::text AS phone,
    user_address_state(u, 'whatsapp', false, by_whatsapp.reason)::text AS whatsapp,
    user_address_state(u, 'devices', EXISTS (SELECT FROM devices AS d WHERE d.user_id = u.id OFFSET 0))::text AS devices,
    ARRAY(
        SELECT concat_ws('/', coalesce(p.clinic_id::text, ''), p.category, p.channel, p.setting)
        FROM preferences AS p
        WHERE p.user_id = u.id AND (p.clinic_id IS NULL OR p.clinic_id = ANY ((SELECT @event_clinic_ids::uuid[])::uuid[]))
    )::text[] AS settings,
    u.time_zone,
    coalesce(person_times.quiet_hours, 'null')::jsonb AS quiet_hours,
    coalesce(person_times.digest_hour, 8)::smallint AS digest_hour,
    ARRAY(
        SELECT m.clinic_id::text || '/' || m.role
        FROM memberships AS m
        WHERE m.user_id = u.id
            AND m.clinic_id = ANY ((SELECT @event_clinic_ids::uuid[])::uuid[])
            AND m.revoked_at IS NULL
    )::text[] AS posts,
    coalesce(members.teams, '{}')::text[] AS teams,
    coalesce(talkers.conversations, '{}')::text[] AS conversations
FROM persons
JOIN users AS u ON u.id = persons.user_id
LEFT JOIN members ON members.user_id = u.id
LEFT JOIN talkers ON talkers.user_id = u.id
LEFT JOIN person_times ON person_times.user_id = u.id
LEFT JOIN address_key ON true
LEFT JOIN suppressions AS by_email
    ON by_email.kind = 'email' AND by_email.address_hash = sha256(address_key.value || convert_to('email:' || u.email, 'UTF8'))
LEFT JOIN suppressions AS by_phone
    ON by_phone.kind = 'phone' AND by_phone.address_hash = sha256(address_key.value || convert_to('phone:' || u.phone, 'UTF8'))
LEFT JOIN suppressions AS by_whatsapp
    ON by_whatsapp.kind = 'whatsapp' AND by_whatsapp.address_hash = sha256(address_key.value || convert_to('whatsapp:' || u.whatsapp, 'UTF8'))
ORDER BY u.id;

-- name: PlanningDefaults :many
-- Returns the time zones of the clinics and their defaults, and with the zero id the defaults of the installation, whose row always
-- is there. quiet_hours is JSON null if none were set. due_now is the time by which it is decided what is due.
SELECT
    due_now()::timestamptz AS due_now,
    c.id,
    c.time_zone,
    coalesce(d.settings, '{}')::jsonb AS settings,
    coalesce(d.essential, '{}')::text[] AS essential,
    coalesce(d.quiet_hours, 'null')::jsonb AS quiet_hours
FROM clinics AS c
LEFT JOIN notification_defaults AS d ON d.clinic_id = c.id
WHERE c.id = ANY(@clinic_ids::uuid[])
UNION ALL
SELECT
    due_now(),
    '00000000-0000-0000-0000-000000000000'::uuid,
    '',
    coalesce(d.settings, '{}')::jsonb,
    coalesce(d.essential, '{}')::text[],
    coalesce(d.quiet_hours, 'null')::jsonb
FROM (SELECT) AS one
LEFT JOIN notification_defaults AS d ON d.clinic_id IS NULL;

-- name: RecordHolds :many
-- Returns the records that were retracted, or that are held from their patients, and until when
-- (year 1: not held); others are omitted.
SELECT
    h.id::uuid AS id,
    h.retracted::boolean AS retracted,
    coalesce(h.held_until, '0001-01-01 00:00:00+00')::timestamptz AS held_until
FROM record_holds(@ids::uuid[]) AS h (id, retracted, held_until);

-- name: NotificationPlan :many
-- Returns the ids of the new rows: the plan of an earlier run for an event and recipient is kept.
-- held_untils has year 1 for rows that are not held, archived_ats for those that are in the inbox, due_ats for those that nothing waits
-- for. subject_versions has 0 for an event without one. A hidden one is not in the inbox: it is released when it is due, or never.
INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, clinic_id, category, priority,
    rule, rule_version, template, held_until, seen_at, archived_at, plan_key, subject_version, due_at, needs_acknowledgement)
SELECT
    r.id,
    r.event_position,
    r.event_id,
    r.event_type,
    r.subject,
    r.recipient_id,
    nullif(r.clinic_id, '00000000-0000-0000-0000-000000000000'),
    r.category,
    r.priority,
    r.rule,
    r.rule_version,
    r.template,
    CASE WHEN r.hidden THEN 'infinity' ELSE nullif(r.held_until, '0001-01-01 00:00:00+00') END,
    nullif(r.archived_at, '0001-01-01 00:00:00+00'),
    nullif(r.archived_at, '0001-01-01 00:00:00+00'),
    r.plan_key,
    nullif(r.subject_version, 0),
    nullif(r.due_at, '0001-01-01 00:00:00+00'),
    coalesce(r.needs_acknowledgement, false)
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@event_positions::bigint[]) AS event_position,
        unnest(@event_ids::uuid[]) AS event_id,
        unnest(@event_types::text[]) AS event_type,
        unnest(@subjects::text[]) AS subject,
        unnest(@recipient_ids::uuid[]) AS recipient_id,
        unnest(@clinic_ids::uuid[]) AS clinic_id,
        unnest(@categories::text[]) AS category,
        unnest(@priorities::text[]) AS priority,
        unnest(@rules::text[]) AS rule,
        unnest(@rule_versions::integer[]) AS rule_version,
        unnest(@templates::text[]) AS template,
        unnest(@held_untils::timestamptz[]) AS held_until,
        unnest(@hidden::boolean[]) AS hidden,
        unnest(@archived_ats::timestamptz[]) AS archived_at,
        unnest(@plan_keys::text[]) AS plan_key,
        unnest(@subject_versions::bigint[]) AS subject_version,
        unnest(@due_ats::timestamptz[]) AS due_at,
        unnest(@needs_acknowledgements::boolean[]) AS needs_acknowledgement
) AS r
ON CONFLICT (event_position, recipient_id, plan_key) DO NOTHING
RETURNING id;

-- name: DeliveryPlan :many
-- Returns the ids of the new rows. A row's fallback channels are joined by commas; not_befores has
-- year 1 for rows that wait for no time of their own.
INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, reason, rule, template, template_version,
    priority, fallback, unverified, correlation_id, traceparent, plan_key, not_before)
SELECT
    unnest(@ids::uuid[]),
    unnest(@event_positions::bigint[]),
    unnest(@notification_ids::uuid[]),
    unnest(@event_ids::uuid[]),
    unnest(@recipient_ids::uuid[]),
    unnest(@channels::text[]),
    unnest(@states::text[]),
    unnest(@reasons::text[]),
    unnest(@rules::text[]),
    unnest(@templates::text[]),
    unnest(@template_versions::integer[]),
    unnest(@priorities::text[]),
    string_to_array(unnest(@fallbacks::text[]), ','),
    unnest(@unverified::boolean[]),
    nullif(unnest(@correlation_ids::text[]), ''),
    nullif(unnest(@traceparents::text[]), ''),
    unnest(@plan_keys::text[]),
    nullif(unnest(@not_befores::timestamptz[]), '0001-01-01 00:00:00+00')
ON CONFLICT (event_position, recipient_id, plan_key, channel) DO NOTHING
RETURNING id;

-- name: DecisionInsertMany :exec
-- A second run over the same events adds nothing.
INSERT INTO decisions (event_position, event_id, rule, rule_version, recipient_id, channel, reason)
SELECT
    unnest(@event_positions::bigint[]),
    unnest(@event_ids::uuid[]),
    unnest(@rules::text[]),
    unnest(@rule_versions::integer[]),
    nullif(unnest(@recipient_ids::uuid[]), '00000000-0000-0000-0000-000000000000'),
    nullif(unnest(@channels::text[]), ''),
    unnest(@reasons::text[])
ON CONFLICT (event_position, rule, recipient_id, channel) DO NOTHING;

-- name: PlannedRecipients :many
-- Returns the recipients that already have a notification of the event, with its plan_key.
SELECT
    recipient_id,
    plan_key
FROM notifications
WHERE event_position = @event_position
    AND event_id = @event_id;

-- name: PlannedDecisions :many
-- Returns the existing decisions about an event; the zero id and '' represent every recipient and
-- channel.
SELECT
    rule,
    coalesce(recipient_id, '00000000-0000-0000-0000-000000000000')::uuid AS recipient_id,
    coalesce(channel, '')::text AS channel
FROM decisions
WHERE event_position = @event_position
    AND event_id = @event_id;

-- name: DigestOpen :many
-- Adds to the open digest of each key, or opens one, and locks it until the transaction ends, so that it is not closed meanwhile. A
-- digest that is full is due now. Keys are given once each, in the order of the unique index.
INSERT INTO digests (id, recipient_id, clinic_id, channel, key, category, priority, max_items, items, due_at)
SELECT
    r.id,
    r.recipient_id,
    nullif(r.clinic_id, '00000000-0000-0000-0000-000000000000'),
    r.channel,
    r.key,
    r.category,
    r.priority,
    r.max_items,
    r.items,
    CASE WHEN r.items >= r.max_items THEN least(r.due_at, due_now()) ELSE r.due_at END
FROM (
    SELECT
        unnest(@ids::uuid[]) AS id,
        unnest(@recipient_ids::uuid[]) AS recipient_id,
        unnest(@clinic_ids::uuid[]) AS clinic_id,
        unnest(@channels::text[]) AS channel,
        unnest(@keys::text[]) AS key,
        unnest(@categories::text[]) AS category,
        unnest(@priorities::text[]) AS priority,
        unnest(@max_items::integer[]) AS max_items,
        unnest(@items::integer[]) AS items,
        unnest(@due_ats::timestamptz[]) AS due_at
) AS r
ORDER BY r.recipient_id, r.clinic_id, r.channel, r.key
ON CONFLICT (recipient_id, clinic_id, channel, key) WHERE closed_at IS NULL DO UPDATE
SET
    items = digests.items + excluded.items,
    due_at = CASE
        WHEN digests.items + excluded.items >= digests.max_items THEN least(digests.due_at, due_now())
        ELSE digests.due_at
    END
RETURNING
    id,
    recipient_id,
    coalesce(clinic_id, '00000000-0000-0000-0000-000000000000')::uuid AS clinic_id,
    channel,
    key;

-- name: DigestItemInsertMany :exec
INSERT INTO digest_items (digest_id, event_position, notification_id, recipient_id, channel, rule, template_version, reason)
SELECT
    unnest(@digest_ids::uuid[]),
    unnest(@event_positions::bigint[]),
    unnest(@notification_ids::uuid[]),
    unnest(@recipient_ids::uuid[]),
    unnest(@channels::text[]),
    unnest(@rules::text[]),
    unnest(@template_versions::integer[]),
    unnest(@reasons::text[]);

-- name: ThrottleTake :many
-- Counts messages under keys, in their order and as many as have room within the period, and returns how many: the others exceed the
-- throttle. The keys stay locked until the transaction ends. Keys are given once each. The messages of one statement have its time,
-- ahead as due_now() is, so that those of several in a transaction are told apart.
WITH clock AS (
    SELECT due_now() - now() + statement_timestamp() AS at
)
INSERT INTO throttles (recipient_id, key, sent)
SELECT
    r.recipient_id,
    r.key,
    array_fill(clock.at, ARRAY[least(r.messages, r.max_messages)])
FROM (
    SELECT
        unnest(@recipient_ids::uuid[]) AS recipient_id,
        unnest(@keys::text[]) AS key,
        unnest(@messages::integer[]) AS messages,
        unnest(@max_messages::integer[]) AS max_messages
) AS r
CROSS JOIN clock
ORDER BY r.recipient_id, r.key
ON CONFLICT ON CONSTRAINT throttles_pkey DO UPDATE
SET sent = (
    SELECT kept.sent || excluded.sent[1:greatest(0, (@max_messages::integer[])[asked.i] - cardinality(kept.sent))]
    FROM array_position(@keys::text[], throttles.key) AS asked (i)
    CROSS JOIN LATERAL (
        SELECT ARRAY(
            SELECT t.sent_at
            FROM unnest(throttles.sent) AS t (sent_at)
            WHERE t.sent_at > excluded.sent[1] - make_interval(secs => (@per_seconds::double precision[])[asked.i])
        ) AS sent
    ) AS kept
)
RETURNING
    recipient_id,
    key,
    cardinality(array_positions(sent, (SELECT clock.at FROM clock)))::integer AS granted;

-- name: EscalationInsertMany :exec
-- A second planning of the same event adds nothing. A step that follows another one begins when that one has ended.
INSERT INTO escalations (event_position, event_id, rule, rule_version, step, unless, after, subject, subject_version, clinic_id, due_at)
SELECT
    r.event_position,
    r.event_id,
    r.rule,
    r.rule_version,
    r.step,
    r.unless,
    make_interval(secs => r.after_seconds),
    r.subject,
    nullif(r.subject_version, 0),
    nullif(r.clinic_id, '00000000-0000-0000-0000-000000000000'),
    CASE WHEN r.step = 0 THEN due_now() + make_interval(secs => r.after_seconds) ELSE 'infinity' END
FROM (
    SELECT
        unnest(@event_positions::bigint[]) AS event_position,
        unnest(@event_ids::uuid[]) AS event_id,
        unnest(@rules::text[]) AS rule,
        unnest(@rule_versions::integer[]) AS rule_version,
        unnest(@steps::integer[]) AS step,
        unnest(@unlesses::text[]) AS unless,
        unnest(@after_seconds::double precision[]) AS after_seconds,
        unnest(@subjects::text[]) AS subject,
        unnest(@subject_versions::bigint[]) AS subject_version,
        unnest(@clinic_ids::uuid[]) AS clinic_id
) AS r
ON CONFLICT ON CONSTRAINT escalations_pkey DO NOTHING;
