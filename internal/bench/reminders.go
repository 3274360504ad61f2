package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
)

// reminders is the number of reminders that become due in the same second.
const reminders = 10_000

// oneReminder reminds a patient of each appointment by a push message.
const oneReminder = `rules:
  - name: reminder
    on: appointment.booked
    recipients: [{user: data.userId}]
    channels: [push]
    schedule: {at: data.startsAt, before: 24h}
`

// remind measures how long it takes until reminders that become due in the same second are all
// queued: each is decided again, with the person's preferences, addresses and rights.
func remind(ctx context.Context, dir string) ([]Measure, error) {
	return besideDispatcher(ctx, dir, fillAppointments, func(ctx context.Context, owner *pgxpool.Pool, dispatcher *service) (Measure, error) {
		if err := awaitReminders(ctx, owner, "planned"); err != nil {
			return Measure{}, err
		}
		m := newMeter(ctx, owner, dispatcher)
		m.reset()
		began := time.Now()
		// As the sandbox does; the ledger's channel wakes the scheduler.
		err := execAll(ctx, owner, []statement{
			{`UPDATE due_clock SET ahead = ahead + interval '25 hours'`, nil},
			{`SELECT pg_notify('carewire_ledger', '')`, nil},
		})
		if err != nil {
			return Measure{}, err
		}
		if err := awaitReminders(ctx, owner, "queued"); err != nil {
			return Measure{}, err
		}
		took := time.Since(began)
		progress("reminders: %.2f s%s", took.Seconds(), m.per(reminders))
		return alone("10,000 reminders due in the same second, until queued", took.Seconds(), "s"), nil
	})
}

// awaitReminders waits until every reminder is in the state.
func awaitReminders(ctx context.Context, owner *pgxpool.Pool, state string) error {
	for deadline := time.Now().Add(2 * time.Minute); ; wait(ctx, 10*time.Millisecond) {
		var n int
		if err := owner.QueryRow(ctx, "SELECT count(*) FROM deliveries WHERE state = $1 AND rule = 'reminder'", state).Scan(&n); err != nil {
			return err
		}
		if n == reminders {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d reminders are %s after two minutes", n, reminders, state)
		}
	}
}

// fillAppointments publishes the rules and adds appointments that begin at the same time to the
// ledger.
func fillAppointments(ctx context.Context, s *service, owner *pgxpool.Pool) error {
	who, err := s.cast(ctx)
	if err != nil {
		return err
	}
	worker, err := s.pool(ctx, postgres.Worker)
	if err != nil {
		return err
	}
	defer worker.Close()
	if err := s.publish(ctx, oneReminder); err != nil {
		return err
	}
	if err := seedPatients(ctx, owner, who); err != nil {
		return err
	}
	err = execAll(ctx, owner, []statement{{`
		WITH people AS (
			SELECT array_agg(id) AS ids FROM users WHERE email LIKE 'bench%'
		), made AS (
			SELECT i, gen_random_uuid() AS appointment, ids[1 + i % cardinality(ids)] AS patient
			FROM people, generate_series(1, $1::integer) AS i
		)
		INSERT INTO outbox (event_id, type, source, subject, subject_version, time, data, clinic_id, person_id, actor_id, actor_role, correlation_id)
		SELECT gen_random_uuid(), 'appointment.booked', '/carewire', 'appointment/' || appointment, 1, now(),
			jsonb_build_object('appointmentId', appointment, 'userId', patient, 'clinicId', $2::uuid, 'doctorId', $3::uuid, 'status', 'booked',
				'startsAt', to_char((now() + interval '48 hours') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
			$2, patient, $3::text, 'doctor', 'bench-' || i
		FROM made
		ORDER BY i`, []any{reminders, who.clinic, who.doctor}}})
	if err != nil {
		return err
	}
	_, err = moveAll(ctx, worker)
	return err
}
