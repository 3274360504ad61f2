package postgres_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/postgrestest"
)

// fill fills the tables as after some months and during an outage: 120,000 events, 100,000
// notifications, 200,000 deliveries of which 40,000 wait with their jobs, 50,000 people. Rows of
// one event, notification and delivery share a number. Person 9 has every 20th notification.
var fill = []string{
	`INSERT INTO clinics (id, name, time_zone) SELECT numbered('c', i), 'Clinic', 'UTC' FROM generate_series(1, 500) AS i`,
	`INSERT INTO users (id, email, email_verified, given_name, family_name, phone)
		SELECT numbered('a', i), 'p' || i || '@mail.example', true, 'A', 'B', '+4915' || 1000000 + i FROM generate_series(1, 50000) AS i`,
	`INSERT INTO memberships (id, user_id, clinic_id, role) SELECT numbered('b', i), numbered('a', i), numbered('c', 1 + i % 500),
		(ARRAY['doctor', 'nurse', 'patient', 'patient', 'patient'])[1 + i % 5] FROM generate_series(1, 50000) AS i`,
	`INSERT INTO care_team (patient_id, clinic_id, member_id) SELECT numbered('a', i), numbered('c', 1 + i % 500), numbered('a', 1 + (i + m * 500) % 50000)
		FROM generate_series(1, 50000) AS i CROSS JOIN generate_series(1, 4) AS m`,
	`INSERT INTO conversations (id, clinic_id, patient_id, subject, last_number, last_activity_at, created_at, created_by)
		SELECT numbered('7', i), numbered('c', 1 + i % 500), numbered('a', i), '', 0, now(), now(), '' FROM generate_series(1, 20000) AS i`,
	`INSERT INTO conversation_participants (conversation_id, user_id, joined_at, last_activity_at)
		SELECT numbered('7', i), numbered('a', i + m), now(), now() FROM generate_series(1, 20000) AS i CROSS JOIN generate_series(0, 3) AS m`,
	`INSERT INTO devices (id, user_id, platform, token) SELECT numbered('d', i), numbered('a', i), 'android', 'token' || i FROM generate_series(1, 50000) AS i`,
	`INSERT INTO preferences (user_id, category, channel, setting) SELECT numbered('a', i), 'clinical', 'email', 'off' FROM generate_series(1, 50000, 7) AS i`,
	// One subject has 10,000 events and as many effects; every third of the other events is an
	// effect of the previous one.
	`INSERT INTO events (position, epoch, event_id, type, source, subject, time, data, person_id, actor_id, actor_role, cause_id, imported, recorded_at, leaf_hash)
		SELECT i, 1, numbered('e', i),
			CASE WHEN i % 3000 = 0 THEN 'access.denied' WHEN i % 4 = 1 THEN 'record.read' WHEN i % 4 = 2 THEN 'notification.sent' ELSE 'user.updated' END,
			'test', CASE WHEN i % 12 = 0 THEN 'patient/busy' ELSE 'user/' || i END, now(),
			CASE WHEN i % 3000 = 0 THEN jsonb_build_object('userIds', jsonb_build_array(numbered('a', i))) ELSE '{}' END,
			numbered('a', 1 + i % 5000), numbered('a', 1 + i % 40000)::text, '',
			CASE WHEN i % 3 = 1 THEN numbered('e', i - 1) END, false, now(), sha256('')
		FROM generate_series(1, 120000) AS i`,
	`INSERT INTO event_clients (position, recorded_at, address, agent) SELECT i, now(), '203.0.113.7', 'browser' FROM generate_series(1, 120000) AS i`,
	`INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template, created_at, read_at)
		SELECT numbered('f', i), i, numbered('e', i), 'user.updated', 'user/' || i, numbered('a', CASE WHEN i % 20 = 0 THEN 9 ELSE 1 + i % 5000 END), 'account', 'normal', 'rule-' || i % 10, 1, 'account',
			now() - make_interval(mins => 200000 - i), CASE WHEN i % 50 > 0 THEN now() END
		FROM generate_series(1, 100000) AS i`,
	`INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, rule, template, priority, created_at, updated_at,
			attempt, deadline_at, error_code)
		SELECT numbered(CASE c WHEN 'email' THEN '1' ELSE '2' END, i), i, n.id, n.event_id, n.recipient_id, CASE WHEN i % 1000 = 0 AND c = 'push' THEN 'sms' ELSE c END,
			CASE WHEN i > 80000 THEN 'queued' WHEN i % 200 = 1 THEN 'failed' WHEN i % 500 = 2 THEN 'uncertain' ELSE 'sent' END,
			n.rule, 'account', 'normal', n.created_at, n.created_at, 1, CASE WHEN i % 500 = 2 THEN now() + make_interval(secs => i - 500) END, NULL
		FROM generate_series(1, 100000) AS i
		JOIN notifications AS n ON n.event_position = i
		CROSS JOIN unnest(ARRAY['email', 'push']) AS c`,
	`INSERT INTO decisions (event_position, event_id, rule, rule_version, recipient_id, channel, reason)
		SELECT i, numbered('e', i), 'rule-1', 1, numbered('a', 1 + i % 5000), 'sms', 'no_address' FROM generate_series(1, 100000, 2) AS i`,
	// 20,000 digests are open, of which 200 are due.
	`INSERT INTO digests (id, recipient_id, channel, key, category, priority, max_items, items, due_at, closed_at, notification_id)
		SELECT numbered('8', i), numbered('a', 1 + i % 50000), 'email', 'daily:clinical', 'clinical', 'normal', 50, 2, now() + make_interval(secs => i - 200),
			CASE WHEN i > 20000 THEN now() END, CASE WHEN i > 20000 THEN numbered('f', i) END
		FROM generate_series(1, 60000) AS i`,
	`INSERT INTO digest_items (digest_id, event_position, notification_id, recipient_id, channel, rule, template_version, reason)
		SELECT numbered('8', 1 + i % 60000), i, numbered('f', i), numbered('a', 1 + i % 5000), 'email', 'rule-1', 0, 'digest:daily' FROM generate_series(1, 100000) AS i`,
	`INSERT INTO throttles (recipient_id, key, sent) SELECT numbered('a', i), 'rule:rule-1/email/1h', ARRAY[now()] FROM generate_series(1, 50000) AS i`,
	`INSERT INTO river.river_job (kind, queue, args, max_attempts, state, scheduled_at, finalized_at)
		SELECT 'delivery', d.channel, jsonb_build_object('deliveryId', d.id), 12, (CASE d.state WHEN 'queued' THEN 'scheduled' ELSE 'completed' END)::river.river_job_state,
			now(), CASE WHEN d.state <> 'queued' THEN now() END
		FROM deliveries AS d WHERE d.event_position > 60000`,
	`INSERT INTO subject_cutoffs (subject, version, cause_type, cause_event_id)
		SELECT 'user/' || i, 2, 'user.disabled', numbered('e', i) FROM generate_series(1, 100000, 2) AS i`,
	// Escalations of 20,000 events, of which the last 40 have not ended.
	`INSERT INTO escalations (event_position, event_id, rule, rule_version, step, unless, after, subject, due_at, done_at, outcome)
		SELECT i, numbered('e', i), 'rule-' || i % 10, 1, 0, 'acknowledged', interval '5 minutes', 'user/' || i, now() - interval '1 minute',
			CASE WHEN i <= 99960 THEN now() END, CASE WHEN i <= 99960 THEN 'escalated' END
		FROM generate_series(80001, 100000) AS i`,
	`UPDATE notifications SET needs_acknowledgement = true, acknowledged_at = CASE WHEN event_position % 100 > 0 THEN now() END WHERE event_position > 80000`,
	// 20,000 notifications wait for their time, of which 200 are due.
	`UPDATE notifications SET due_at = now() + make_interval(secs => event_position - 200) WHERE event_position <= 20000`,
	`INSERT INTO suppressions (kind, address_hash, id, channel, reason, source, user_id)
		SELECT 'email', sha256(convert_to(i::text, 'UTF8')), numbered('9', i), 'email', 'hard_bounce', 'provider', numbered('a', i) FROM generate_series(1, 20000) AS i`,
	// Two clinics are large, with 30,000 records and appointments each. Person 9 cares for 5,000 patients of one, person 8 for 900.
	`INSERT INTO records (id, kind, version, status, patient_id, clinic_id, doctor_id, code_system, code, effective_at, body, created_at, created_by,
			updated_at, updated_by, released_version)
		SELECT numbered('5', i), CASE WHEN i % 3 > 0 THEN 'lab_report' ELSE 'condition' END, 1, 'final', numbered('a', 1 + i % 10000), numbered('c', 2 - i % 2),
			numbered('a', 5 + 5 * (i % 1000)), 's', 'c', now() - make_interval(mins => 100000 - i), '{}', now(), CASE WHEN i % 10 = 1 THEN numbered('a', 9)::text ELSE '' END,
			now(), '', 1
		FROM generate_series(1, 60000) AS i`,
	`INSERT INTO care_team (patient_id, clinic_id, member_id) SELECT numbered('a', i), numbered('c', 1), numbered('a', 9) FROM generate_series(2, 10000, 2) AS i ON CONFLICT DO NOTHING`,
	`INSERT INTO care_team (patient_id, clinic_id, member_id) SELECT numbered('a', i), numbered('c', 1), numbered('a', 8) FROM generate_series(2, 9000, 10) AS i ON CONFLICT DO NOTHING`,
	`INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, historic, created_at, created_by, updated_at, updated_by)
		SELECT numbered('6', i), 1, numbered('c', 1 + i % 2), numbered('a', CASE WHEN i % 20 = 0 THEN 9 ELSE 2 + 5 * (i % 1000) END), numbered('a', CASE WHEN i % 10 = 0 THEN 5 ELSE 5 + 5 * (i % 1000) END),
			CASE WHEN i % 10000 = 1 THEN 'requested' WHEN i > 55000 THEN 'booked' ELSE 'completed' END,
			now() + i * interval '1 hour' - interval '2000 days', now() + i * interval '1 hour' - interval '2000 days' + interval '30 minutes', true, now(), '', now(), ''
		FROM generate_series(1, 60000) AS i`,
	// Person 9 takes part in 10,000 conversations.
	`INSERT INTO conversations (id, clinic_id, patient_id, subject, last_number, last_activity_at, created_at, created_by)
		SELECT numbered('7', 20000 + i), numbered('c', 1), numbered('a', 2 + i * 2 % 9998), '', 0, now() + make_interval(secs => i), now(), '' FROM generate_series(1, 10000) AS i`,
	`INSERT INTO conversation_participants (conversation_id, user_id, joined_at, last_activity_at)
		SELECT c.id, numbered('a', 9), now(), c.last_activity_at FROM conversations AS c WHERE c.id > numbered('7', 20000)`,
	`DROP FUNCTION numbered`,
}

// analyzed are the filled tables. Like autovacuum: partitions, and not their parent tables.
var analyzed = []string{
	"escalations", "events_from_1", "notifications_from_1", "deliveries_from_1", "decisions_from_1", "users", "memberships", "care_team", "conversations",
	"conversation_participants", "devices", "preferences", "subject_cutoffs", "digests", "digest_items", "throttles", "suppressions", "river.river_job", "records",
	"appointments",
}

func numbered(kind byte, i int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("0190%c000-0000-7000-8000-%012d", kind, i))
}

// filled returns a database with fill's rows, which is not analyzed yet.
func filled(t *testing.T) *postgrestest.DB {
	t.Helper()
	db := postgrestest.New(t)
	for _, table := range analyzed { // The test decides when they are vacuumed.
		_, err := db.Owner.Exec(t.Context(), "ALTER TABLE "+table+" SET (autovacuum_enabled = false)")
		require.NoError(t, err)
	}
	slowly(t, db, `CREATE FUNCTION numbered(kind text, i bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
		RETURN ('0190' || kind || '000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid`)
	slowly(t, db, fill...)
	return db
}

// slowly runs statements for which the default timeout of 30 seconds is short on a machine that runs other tests.
func slowly(t *testing.T, db *postgrestest.DB, statements ...string) {
	t.Helper()
	conn, err := db.Owner.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	exec := func(sql string) {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
	exec("SET statement_timeout = '5min'")
	defer exec("RESET statement_timeout")
	for _, sql := range statements {
		exec(sql)
	}
}
