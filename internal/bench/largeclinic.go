package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
)

const (
	// clinicStaff is the number of nurses at the clinic. largeEvents is the number of events that
	// wait, of which each nurse is notified.
	clinicStaff = 3000
	largeEvents = 5
)

// everybody makes each event of a record two messages for each doctor and nurse of the clinic who
// may read the record.
const everybody = `rules:
  - name: record-created
    on: ehr.*.created
    when: data.released && !data.critical
    recipients: [{user: data.userId}, {user: data.doctorId}, {role: [doctor, nurse]}]
    channels: [push, email]
`

// planLarge measures how fast the dispatch role plans notifications for a clinic with a staff of
// 3,000, all of them on the patient's care team: each event leads to two messages for each of them,
// in transactions with a bounded number of writes.
func planLarge(ctx context.Context, dir string) ([]Measure, error) {
	return besideDispatcher(ctx, dir, fillLargeClinic, func(ctx context.Context, owner *pgxpool.Pool, dispatcher *service) (Measure, error) {
		perSecond, err := messageRate(ctx, owner, dispatcher)
		return alone("dispatch at a clinic of 3,000 staff", perSecond, "messages/s"), err
	})
}

// fillLargeClinic adds the staff, then the rules, then the events to the ledger.
func fillLargeClinic(ctx context.Context, s *service, owner *pgxpool.Pool) error {
	who, err := s.cast(ctx)
	if err != nil {
		return err
	}
	worker, err := s.pool(ctx, postgres.Worker)
	if err != nil {
		return err
	}
	defer worker.Close()
	err = execAll(ctx, owner, []statement{
		{`INSERT INTO users (id, email, email_verified, given_name, family_name)
			SELECT gen_random_uuid(), 'nurse' || i || '@bench.example', true, 'A', 'B' FROM generate_series(1, $1) AS i`, []any{clinicStaff}},
		{`INSERT INTO memberships (id, user_id, clinic_id, role)
			SELECT gen_random_uuid(), id, $1, 'nurse' FROM users WHERE email LIKE 'nurse%@bench.example'`, []any{who.clinic}},
		{`INSERT INTO devices (id, user_id, platform, token)
			SELECT gen_random_uuid(), id, 'android', 'bench-' || id FROM users WHERE email LIKE 'nurse%@bench.example'`, nil},
		{`INSERT INTO care_team (patient_id, clinic_id, member_id)
			SELECT $1, $2, id FROM users WHERE email LIKE 'nurse%@bench.example'`, []any{who.patient, who.clinic}},
		{`ANALYZE users, memberships, devices, care_team`, nil},
	})
	if err != nil {
		return err
	}
	if err := s.publish(ctx, everybody); err != nil {
		return err
	}
	if err := appendRecords(ctx, owner, who, largeEvents); err != nil {
		return err
	}
	_, err = moveAll(ctx, worker)
	return err
}

// messageRate measures messages from the first planned one until the planner has handled all
// events.
func messageRate(ctx context.Context, owner *pgxpool.Pool, dispatcher *service) (float64, error) {
	var first, now, at, last int64
	if err := owner.QueryRow(ctx, "SELECT max(position) FROM events").Scan(&last); err != nil {
		return 0, err
	}
	var began time.Time
	m := newMeter(ctx, owner, dispatcher)
	for deadline := time.Now().Add(2 * time.Minute); at < last; wait(ctx, 20*time.Millisecond) {
		err := owner.QueryRow(ctx, `SELECT (SELECT count(*) FROM deliveries),
			(SELECT coalesce(max(position), 0) FROM followers WHERE name = 'dispatch')`).Scan(&now, &at)
		if err != nil {
			return 0, err
		}
		if began.IsZero() && now > 0 {
			began, first = time.Now(), now
			m.reset()
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("the planner is at %d of %d after two minutes", at, last)
		}
	}
	took := time.Since(began)
	progress("dispatch at a large clinic: %.0f messages/s%s", float64(now-first)/took.Seconds(), m.per(float64(now-first)))
	if now < largeEvents*2*clinicStaff {
		return 0, fmt.Errorf("%d events led to %d messages, not two for each member of the staff", largeEvents, now)
	}
	return float64(now-first) / took.Seconds(), nil
}
