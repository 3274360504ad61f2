-- Fills a clinic as after years, in proportion to the setting bench.events: 2 of 5 events have a notification, with two
-- deliveries. A busy doctor has every 20th notification; the other recipients are patients. One rule is rare, one delivery of
-- a hundred failed, and the last ones are on their way. Ids are in the order of time, as UUIDv7 are. Each statement is run
-- alone, as a superuser who skips foreign keys and triggers where the rows are consistent.

-- people
INSERT INTO clinics (id, name, time_zone)
SELECT numbered('c', i), 'Clinic ' || i, 'UTC' FROM generate_series(1, 20) AS i;

INSERT INTO users (id, email, email_verified, given_name, family_name, birth_date)
SELECT numbered('a', i), 'grown' || i || '@bench.example', true, 'Given' || i % 300, 'Family' || i % 700, date '1950-01-01' + (i % 20000)::integer
FROM generate_series(1, size('people')) AS i;

-- Four of five at the busy clinic; every 20th is a doctor, every 20th a nurse.
INSERT INTO memberships (id, user_id, clinic_id, role)
SELECT numbered('b', i), numbered('a', i), CASE WHEN i % 5 > 0 THEN busy('clinic') ELSE numbered('c', 1 + i % 20) END,
    CASE i % 20 WHEN 7 THEN 'doctor' WHEN 8 THEN 'nurse' ELSE 'patient' END
FROM generate_series(1, size('people')) AS i;

INSERT INTO care_team (patient_id, clinic_id, member_id)
SELECT numbered('a', i), busy('clinic'), busy('doctor')
FROM generate_series(1, size('people'), 10) AS i
WHERE i % 5 > 0;

INSERT INTO devices (id, user_id, platform, token)
SELECT numbered('d', i), numbered('a', i), 'android', 'grown-' || i
FROM generate_series(1, size('people')) AS i;

INSERT INTO suppressions (kind, address_hash, id, channel, reason, source, user_id, created_at)
SELECT 'email', sha256(convert_to(i::text, 'UTF8')), numbered('9', i), 'email', CASE WHEN i % 1000 = 0 THEN 'complaint' ELSE 'hard_bounce' END, 'provider',
    numbered('a', i), at(i, size('people'))
FROM generate_series(1, size('people')) AS i;

-- without foreign keys and triggers
SET session_replication_role = replica;

-- the ledger
INSERT INTO events (position, epoch, event_id, type, source, subject, subject_version, time, data, clinic_id, person_id, actor_id, actor_role, cause_id,
    imported, recorded_at, leaf_hash)
SELECT size('first') + i, 1, numbered('e', i),
    CASE WHEN i % 5000 = 0 THEN 'access.denied' WHEN i % 4 = 0 THEN 'record.read' WHEN i % 4 = 1 THEN 'notification.sent' WHEN i % 4 = 2 THEN 'ehr.lab_report.created' ELSE 'user.updated' END,
    '/carewire', CASE WHEN i % 4 = 1 THEN 'notification/' || numbered('f', i) ELSE 'lab_report/' || numbered('5', i % size('records')) END, 1, at(i, size('events')),
    jsonb_build_object('recordId', numbered('5', i % size('records')), 'userId', numbered('a', 1 + i % size('people')), 'version', 1),
    busy('clinic'), CASE WHEN i % 100 = 0 THEN busy('patient') ELSE numbered('a', 1 + i % size('people')) END,
    CASE WHEN i % 4 = 1 THEN 'system:notify' WHEN i % 50 = 0 THEN busy('doctor')::text ELSE numbered('a', 1 + i % size('people'))::text END, 'doctor',
    CASE WHEN i % 4 = 1 THEN numbered('e', i - 1) END, false, at(i, size('events')), sha256('')
FROM generate_series(1, size('events')) AS i;

INSERT INTO event_clients (position, recorded_at, address, agent)
SELECT size('first') + i, at(i, size('events')), '203.0.113.7', 'browser'
FROM generate_series(1, size('events')) AS i
WHERE i % 4 <> 1;

-- The 100th part waits for an appointment, the 50th is unread, and the 500th needs to be acknowledged.
INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, clinic_id, category, priority, rule, rule_version, template,
    created_at, read_at, seen_at, plan_key, due_at, held_until, needs_acknowledgement)
SELECT numbered('f', i), size('first') + i * 5 / 2, numbered('e', i * 5 / 2), 'ehr.lab_report.created', 'lab_report/' || numbered('5', i % size('records')),
    CASE WHEN i % 20 = 0 THEN busy('doctor') ELSE numbered('a', 1 + i % size('people')) END, busy('clinic'), 'clinical', 'normal',
    CASE WHEN i % 2000 = 0 THEN 'grown-rare' ELSE 'grown-' || i % 10 END, 1, 'clinical', at(i, size('notifications')),
    CASE WHEN i % 50 > 0 THEN at(i, size('notifications')) END, CASE WHEN i % 50 > 0 THEN at(i, size('notifications')) END,
    CASE WHEN i % 100 = 7 THEN 'grown/24h-before-startsAt' ELSE '' END, CASE WHEN i % 100 = 7 THEN now() + make_interval(hours => (24 + i % 8000)::integer) END,
    CASE WHEN i % 100 = 7 THEN 'infinity'::timestamptz END, i % 500 = 0
FROM generate_series(1, size('notifications')) AS i;

INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, rule, template, priority, created_at, updated_at, attempt,
    provider, provider_id, sent_at, deadline_at, error_code, plan_key)
SELECT numbered(CASE c WHEN 'email' THEN '1' ELSE '2' END, n.i), n.event_position, n.id, n.event_id, n.recipient_id,
    CASE WHEN c = 'push' AND n.i % 500 = 3 THEN 'sms' ELSE c END, s.state, n.rule, n.template, n.priority, n.created_at, n.created_at, 1,
    CASE c WHEN 'email' THEN 'ses' ELSE 'fcm' END, CASE WHEN s.state IN ('sent', 'delivered', 'read', 'uncertain') THEN n.id || '-' || c END, n.created_at,
    CASE WHEN s.state = 'uncertain' THEN now() + interval '1 day' END, CASE WHEN s.state = 'failed' THEN 'rejected' END, n.plan_key
FROM (SELECT m.*, right(m.id::text, 12)::bigint AS i FROM notifications AS m WHERE m.rule LIKE 'grown-%') AS n
CROSS JOIN unnest(ARRAY['email', 'push']) AS c
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN n.plan_key <> '' THEN 'planned'
        WHEN n.i > size('notifications') * 99 / 100 THEN 'queued'
        WHEN n.i % 100 = 1 THEN 'failed'
        WHEN n.i % 100 = 2 THEN 'cancelled'
        WHEN n.i % 100 BETWEEN 3 AND 7 THEN 'suppressed'
        WHEN n.i % 1000 = 8 THEN 'uncertain'
        WHEN n.i % 5000 = 9 THEN 'unknown'
        WHEN n.i % 100 BETWEEN 10 AND 34 THEN 'delivered'
        WHEN n.i % 100 BETWEEN 35 AND 39 THEN 'read'
        ELSE 'sent'
    END AS state
) AS s;

INSERT INTO decisions (event_position, event_id, rule, rule_version, recipient_id, channel, reason)
SELECT n.event_position, n.event_id, n.rule, 1, n.recipient_id, 'sms', 'no_address'
FROM notifications AS n
WHERE n.rule = 'grown-2';

-- what the clinic keeps
INSERT INTO records (id, kind, version, status, patient_id, clinic_id, doctor_id, code_system, code, effective_at, body, created_at, created_by,
    updated_at, updated_by, released_version)
SELECT numbered('5', i), CASE WHEN i % 3 > 0 THEN 'lab_report' ELSE 'condition' END, 1, 'final',
    CASE WHEN i % 50 = 0 THEN busy('patient') ELSE numbered('a', 1 + i % size('people')) END, busy('clinic'),
    CASE WHEN i % 10 = 0 THEN busy('doctor') ELSE numbered('a', 7 + 20 * (i % (size('people') / 20))) END, 'http://loinc.org', '24323-8', at(i, size('records')),
    '{}', at(i, size('records')), CASE WHEN i % 10 = 0 THEN busy('doctor')::text ELSE numbered('a', 7)::text END, at(i, size('records')), 'grown', 1
FROM generate_series(1, size('records')) AS i;

INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, historic, created_at, created_by, updated_at, updated_by)
SELECT numbered('6', i), 1, busy('clinic'), CASE WHEN i % 50 = 0 THEN busy('patient') ELSE numbered('a', 1 + 20 * (i % (size('people') / 20))) END,
    CASE WHEN i % 10 = 0 THEN busy('doctor') ELSE numbered('a', 7 + 20 * (i % (size('people') / 20))) END,
    CASE WHEN i > size('appointments') * 9 / 10 THEN 'booked' ELSE 'completed' END,
    date_trunc('hour', now()) + interval '30 days' - (size('appointments') - i) * interval '20 minutes',
    date_trunc('hour', now()) + interval '30 days' - (size('appointments') - i) * interval '20 minutes' + interval '15 minutes',
    false, now(), '', now(), ''
FROM generate_series(1, size('appointments')) AS i;

INSERT INTO invoices (id, version, clinic_id, patient_id, currency, status, total_minor, paid_minor, due_on, issued_at, created_at, created_by, updated_at, updated_by)
SELECT numbered('4', i), 1, busy('clinic'), CASE WHEN i % 50 = 0 THEN busy('patient') ELSE numbered('a', 1 + i % size('people')) END, 'EUR',
    CASE WHEN i % 20 > 0 THEN 'paid' ELSE 'issued' END, 100, CASE WHEN i % 20 > 0 THEN 100 ELSE 0 END, date '2099-01-01', at(i, size('invoices')), at(i, size('invoices')), '', now(), ''
FROM generate_series(1, size('invoices')) AS i;

INSERT INTO invoice_lines (invoice_id, line, description, quantity, unit_minor, amount_minor)
SELECT numbered('4', i), 1, 'Visit', 1, 100, 100
FROM generate_series(1, size('invoices')) AS i;

INSERT INTO conversations (id, clinic_id, patient_id, subject, last_number, last_activity_at, created_at, created_by)
SELECT numbered('7', i), busy('clinic'), busy('patient'), '', 1, at(i, size('conversations')), at(i, size('conversations')), ''
FROM generate_series(1, size('conversations')) AS i;

INSERT INTO conversation_messages (id, conversation_id, number, author_id, text, written_at)
SELECT numbered('3', i), numbered('7', i), 1, busy('patient'), 'x', at(i, size('conversations'))
FROM generate_series(1, size('conversations')) AS i;

INSERT INTO conversation_participants (conversation_id, user_id, joined_at, last_activity_at)
SELECT numbered('7', i), p, at(i, size('conversations')), at(i, size('conversations'))
FROM generate_series(1, size('conversations')) AS i
CROSS JOIN unnest(ARRAY[busy('doctor'), busy('patient')]) AS p;

RESET session_replication_role;

VACUUM (ANALYZE) events_from_1, event_clients, notifications_from_1, deliveries_from_1, decisions_from_1, users, memberships, care_team, devices, suppressions, person_words, records,
    appointments, invoices, invoice_lines, conversations, conversation_messages, conversation_participants;
