package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
)

const (
	// waitingReminders is the number of planned reminders in a large ledger.
	waitingReminders = 1_000_000
	// unNotified is the number of appointments with reminders that are cancelled. As many without any are
	// cancelled, and confirmed.
	unNotified = 300
	// compareRounds is how often two ways to plan are measured in turn.
	compareRounds = 2
)

// waiting measures what a million planned reminders cost: planning and writes with them, compared to
// without; and the cancellation of an appointment among them, which cancels its two reminders,
// compared to that of one without reminders, and to a confirmation.
func waiting(ctx context.Context, dir string) ([]Measure, error) {
	planning, err := compareFills(ctx, dir, fillLedger, func(ctx context.Context, s *service, owner *pgxpool.Pool) error {
		if err := fillLedger(ctx, s, owner); err != nil {
			return err
		}
		return planReminders(ctx, owner)
	})
	if err != nil {
		return nil, err
	}
	planning.Name = "dispatch with a million planned reminders"
	s, err := serveDemo(ctx, dir, "api")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	who, err := s.cast(ctx)
	if err != nil {
		return nil, err
	}
	owner, err := s.pool(ctx, postgres.Owner)
	if err != nil {
		return nil, err
	}
	defer owner.Close()
	writing, err := writesAmongReminders(ctx, s, owner, who)
	if err != nil {
		return nil, err
	}
	cancelling, err := cancelAmongReminders(ctx, s, owner, who)
	return append([]Measure{planning, writing}, cancelling...), err
}

// compareFills measures planning after one fill, compared to planning after another, the floor, in turn.
func compareFills(ctx context.Context, dir string, floor, fill func(context.Context, *service, *pgxpool.Pool) error) (Measure, error) {
	var sum [2]float64
	for round := range compareRounds {
		for i, fill := range []func(context.Context, *service, *pgxpool.Pool) error{floor, fill} {
			own := filepath.Join(dir, fmt.Sprintf("planning-%d-%d", round, i))
			if err := os.Mkdir(own, 0o755); err != nil {
				return Measure{}, err
			}
			_, err := besideDispatcher(ctx, own, fill, func(ctx context.Context, owner *pgxpool.Pool, dispatcher *service) (Measure, error) {
				perSecond, _, err := planningRate(ctx, owner, dispatcher)
				sum[i] += perSecond / compareRounds
				return Measure{}, err
			})
			if err != nil {
				return Measure{}, err
			}
		}
	}
	return beside("", sum[1], "events/s", sum[0]), nil
}

// writesAmongReminders compares REST writes before and after the reminders are planned.
func writesAmongReminders(ctx context.Context, s *service, owner *pgxpool.Pool, who cast) (Measure, error) {
	rest := newPoster(s)
	defer rest.close()
	request := rest.request(reportsPath, "Authorization", "Bearer "+who.token, who.report())
	post := func(ctx context.Context) error { return rest.post(ctx, request) }
	rate := func(name string) (sum float64, err error) {
		m := newMeter(ctx, owner, s)
		for range writeRounds {
			perSecond, _, err := m.rate(ctx, name, post)
			if err != nil {
				return 0, err
			}
			sum += perSecond / writeRounds
		}
		return sum, nil
	}
	without, err := rate("writes without reminders")
	if err != nil {
		return Measure{}, err
	}
	if err := seedPatients(ctx, owner, who); err != nil {
		return Measure{}, err
	}
	if err := planReminders(ctx, owner); err != nil {
		return Measure{}, err
	}
	with, err := rate("writes among a million reminders")
	return beside("REST writes with a million planned reminders", with, "1/s", without), err
}

// planReminders plans reminders of the seeded patients that are due within a year: notifications with
// a push message each, of appointments that do not exist.
func planReminders(ctx context.Context, owner *pgxpool.Pool) error {
	const chunk = waitingReminders / 20
	for first := 0; first < waitingReminders; first += chunk {
		err := execAll(ctx, owner, []statement{{`
			WITH people AS (
				SELECT array_agg(id) AS ids FROM users WHERE email LIKE 'bench%'
			), planned AS (
				INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template,
					plan_key, subject_version, due_at, held_until)
				SELECT gen_random_uuid(), 30000000 + i, gen_random_uuid(), 'appointment.booked', 'appointment/' || gen_random_uuid(), ids[1 + i % cardinality(ids)],
					'appointment', 'normal', 'reminder', 1, 'reminder', 'reminder/24h-before-startsAt', 1, now() + make_interval(secs => 86400 + i * 30), 'infinity'
				FROM people, generate_series($1::integer, $2::integer) AS i
				RETURNING id, event_position, event_id, recipient_id
			)
			INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, plan_key, channel, state, rule, template, priority)
			SELECT gen_random_uuid(), event_position, id, event_id, recipient_id, 'reminder/24h-before-startsAt', 'push', 'planned', 'reminder', 'reminder', 'normal'
			FROM planned`, []any{first, first + chunk - 1}}})
		if err != nil {
			return err
		}
	}
	return execAll(ctx, owner, []statement{{`VACUUM (ANALYZE) notifications, deliveries`, nil}})
}

// cancelAmongReminders compares cancellations with and without reminders, and confirmations, one at a
// time and in turn.
func cancelAmongReminders(ctx context.Context, s *service, owner *pgxpool.Pool, who cast) ([]Measure, error) {
	patient, err := s.tool(ctx, "token", "--as", patientEmail)
	if err != nil {
		return nil, err
	}
	with, without, err := bookAppointments(ctx, owner, who)
	if err != nil {
		return nil, err
	}
	var confirm, plain, cancel time.Duration
	for i := range unNotified {
		for _, turn := range []struct {
			id         uuid.UUID
			path, body string
			took       *time.Duration
		}{
			{without[2*i], "/confirm", "", &confirm},
			{without[2*i+1], "/cancel", `{"reason": "other"}`, &plain},
			{with[i], "/cancel", `{"reason": "other"}`, &cancel},
		} {
			began := time.Now()
			_, err := s.send(ctx, patient, "/api/appointments/"+turn.id.String()+turn.path, []byte(turn.body), http.StatusOK, "If-Match", `"1"`)
			if err != nil {
				return nil, err
			}
			*turn.took += time.Since(began)
		}
	}
	var left int
	if err := owner.QueryRow(ctx, `SELECT count(*) FROM deliveries WHERE rule = 'bench-reminder' AND state = 'planned'`).Scan(&left); err != nil {
		return nil, err
	}
	if left > 0 {
		return nil, fmt.Errorf("%d reminders of cancelled appointments are planned", left)
	}
	ms := func(d time.Duration) float64 { return millis(d) / unNotified }
	progress("confirm %.2f ms, cancel %.2f ms, cancel with two reminders %.2f ms", ms(confirm), ms(plain), ms(cancel))
	return []Measure{
		beside("cancelling an appointment, its two reminders among a million", ms(cancel), "ms", ms(plain)),
		beside("the same, compared to a confirmation", ms(cancel), "ms", ms(confirm)),
	}, nil
}

// bookAppointments adds booked appointments of the demo's patient, a third of them with two reminders
// each.
func bookAppointments(ctx context.Context, owner *pgxpool.Pool, who cast) (with, without []uuid.UUID, err error) {
	rows, err := owner.Query(ctx, `
		WITH made AS (
			INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, historic, created_at, created_by, updated_at, updated_by)
			SELECT gen_random_uuid(), 1, $1, $2, $3, 'booked', date_trunc('hour', now()) + make_interval(days => 30, mins => 5 * i), date_trunc('hour', now()) + make_interval(days => 30, mins => 5 * i + 5), false, now(), '', now(), ''
			FROM generate_series(1, $4::integer) AS i
			RETURNING id, starts_at
		), reminded AS (
			SELECT id, starts_at FROM made ORDER BY starts_at LIMIT $4::integer / 3
		), planned AS (
			INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template,
				plan_key, subject_version, due_at, held_until)
			SELECT gen_random_uuid(), 35000000 + row_number() OVER (), gen_random_uuid(), 'appointment.booked', 'appointment/' || reminded.id, $2,
				'appointment', 'normal', 'bench-reminder', 1, 'reminder', 'bench-reminder/' || before || 'h', 1, starts_at - make_interval(hours => before), 'infinity'
			FROM reminded, unnest(ARRAY[1, 24]) AS before
			RETURNING id, event_position, event_id, recipient_id, plan_key
		), queued AS (
			INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, plan_key, channel, state, rule, template, priority)
			SELECT gen_random_uuid(), event_position, id, event_id, recipient_id, plan_key, 'push', 'planned', 'bench-reminder', 'reminder', 'normal'
			FROM planned
		)
		SELECT id FROM made ORDER BY starts_at`, who.clinic, who.patient, who.doctor, 3*unNotified)
	if err != nil {
		return nil, nil, fmt.Errorf("book appointments: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, nil, fmt.Errorf("book appointments: %w", err)
	}
	return all[:unNotified], all[unNotified:], nil
}
