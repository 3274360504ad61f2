package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// patients is the number of people in the seeded events.
const patients = 1000

// seedPatients registers people at the clinic with an email address, a number and a push device.
func seedPatients(ctx context.Context, owner *pgxpool.Pool, who cast) error {
	return execAll(ctx, owner, []statement{
		{`INSERT INTO users (id, email, email_verified, phone, phone_verified, whatsapp, whatsapp_verified, given_name, family_name)
			SELECT gen_random_uuid(), 'bench' || i || '@bench.example', true, '+4917140' || 10000 + i, true, '+4917140' || 10000 + i, true, 'A', 'B'
			FROM generate_series(1, $1::integer) AS i`, []any{patients}},
		{`INSERT INTO memberships (id, user_id, clinic_id, role)
			SELECT gen_random_uuid(), id, $1, 'patient' FROM users WHERE email LIKE 'bench%'`, []any{who.clinic}},
		{`INSERT INTO devices (id, user_id, platform, token)
			SELECT gen_random_uuid(), id, 'android', 'bench-' || id FROM users WHERE email LIKE 'bench%'`, nil},
		{`ANALYZE users, memberships, devices`, nil},
	})
}

// appendRecords appends events of n new lab reports to the outbox: about the seeded patients if
// there are any, else the demo's patient.
func appendRecords(ctx context.Context, owner *pgxpool.Pool, who cast, n int) error {
	return execAll(ctx, owner, []statement{{`
		WITH people AS (
			SELECT array_agg(id) AS ids FROM users WHERE email LIKE 'bench%'
		), made AS (
			SELECT i, gen_random_uuid() AS record, coalesce(ids[1 + i % cardinality(ids)], $2) AS patient
			FROM people, generate_series(1, $1::integer) AS i
		)
		INSERT INTO outbox (event_id, type, source, subject, subject_version, time, data, clinic_id, person_id, actor_id, actor_role, correlation_id)
		SELECT gen_random_uuid(), 'ehr.lab_report.created', '/carewire', 'lab_report/' || record, 1, now(),
			jsonb_build_object('recordId', record, 'userId', patient, 'clinicId', $3::uuid, 'doctorId', $4::uuid, 'status', 'final', 'version', 1),
			$3, patient, $4::text, 'doctor', 'bench-' || i
		FROM made
		ORDER BY i`, []any{n, who.patient, who.clinic, who.doctor}}})
}

// queueMessages plans n messages of the channel to the seeded patients, with their jobs, in one transaction, so that
// all become visible at once. Their events have positions that the ledger does not reach.
func queueMessages(ctx context.Context, owner *pgxpool.Pool, channel string, n int) error {
	return execAll(ctx, owner, []statement{{`
		WITH people AS (
			SELECT array_agg(id) AS ids FROM users WHERE email LIKE 'bench%'
		), last AS (
			SELECT coalesce(max(event_position), 20000000) AS position FROM notifications WHERE event_position > 20000000
		), notified AS (
			INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template)
			SELECT gen_random_uuid(), last.position + i, gen_random_uuid(), 'ehr.lab_report.created', 'lab_report/1', ids[1 + i % cardinality(ids)],
				'clinical', 'normal', 'bench', 1, 'clinical'
			FROM people, last, generate_series(1, $1::integer) AS i
			RETURNING id, event_position, event_id, recipient_id
		), planned AS (
			INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, rule, template, priority)
			SELECT gen_random_uuid(), event_position, id, event_id, recipient_id, $2, 'queued', 'bench', 'clinical', 'normal' FROM notified
			RETURNING id
		)
		INSERT INTO river.river_job (kind, queue, args, max_attempts, state)
		SELECT 'delivery', $2, jsonb_build_object('deliveryId', id), 12, 'available' FROM planned`, []any{n, channel}}})
}

// queueNothing inserts n jobs that do nothing.
func queueNothing(ctx context.Context, owner *pgxpool.Pool, n int) error {
	return execAll(ctx, owner, []statement{{`
		INSERT INTO river.river_job (kind, queue, args, max_attempts, state)
		SELECT 'nothing', 'nothing', jsonb_build_object('deliveryId', gen_random_uuid()), 12, 'available'
		FROM generate_series(1, $1::integer)`, []any{n}}})
}

// statement is an SQL statement with its arguments.
type statement struct {
	sql  string
	args []any
}

func execAll(ctx context.Context, owner *pgxpool.Pool, all []statement) error {
	for _, s := range all {
		if _, err := owner.Exec(ctx, s.sql, s.args...); err != nil {
			return fmt.Errorf("seed: %w", err)
		}
	}
	return nil
}
