package outbox_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

// BenchmarkWriter_InBatch measures a write of one row and one event in one round trip.
func BenchmarkWriter_InBatch(b *testing.B) {
	d := postgrestest.New(b)
	w := outbox.NewWriter(d.App, outbox.NewWaker(d.App, quiet))
	cmd := care.Command{Actor: care.SystemActor("test")}
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, w.InBatch(b.Context(), cmd, func(batch *outbox.Batch) {
			batch.QueryRow(func(row pgx.Row) error { return row.Scan(new(int)) }, "SELECT 1")
			batch.Append(b.Context(), anEvent())
		}))
	}
}

// BenchmarkAppend_CutOff compares the cancellation of an appointment, which locks it, updates it and
// appends its event, with and without the cut-off of its subject, while a million reminders of
// others wait for their time.
func BenchmarkAppend_CutOff(b *testing.B) {
	d := postgrestest.New(b)
	person, clinic := uuid.New(), uuid.New()
	exec := func(sql string, args ...any) {
		_, err := d.Owner.Exec(b.Context(), sql, args...)
		require.NoError(b, err)
	}
	conn, err := d.Owner.Acquire(b.Context())
	require.NoError(b, err)
	exec(`INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Clinic', 'UTC')`, clinic)
	exec(`INSERT INTO users (id, email, given_name, family_name) VALUES ($1, 'a@mail.example', 'A', 'B')`, person)
	exec(`INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, historic, created_by, updated_by)
		SELECT gen_random_uuid(), 1, $1, $2, $2, 'cancelled', now(), now() + interval '1 hour', true, '', '' FROM generate_series(1, 1000)`, clinic, person)
	_, err = conn.Exec(b.Context(), "SET statement_timeout = '10min'")
	require.NoError(b, err)
	_, err = conn.Exec(b.Context(), `INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template, plan_key,
			subject_version, due_at, held_until)
		SELECT gen_random_uuid(), i, gen_random_uuid(), 'appointment.booked', 'appointment/' || gen_random_uuid(), $1, 'appointment', 'normal', 'reminder', 1, 'reminder', '24h', 1,
			now() + make_interval(secs => i), 'infinity' FROM generate_series(1, 1000000) AS i`, person)
	require.NoError(b, err)
	_, err = conn.Exec(b.Context(), "VACUUM (ANALYZE) notifications, appointments")
	require.NoError(b, err)
	conn.Release()
	rows, err := d.Owner.Query(b.Context(), "SELECT id FROM appointments")
	require.NoError(b, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(b, err)
	w := outbox.NewWriter(d.App, outbox.NewWaker(d.App, quiet))
	cmd := care.Command{Actor: care.SystemActor("test")}
	n := 0
	for name, cutsOff := range map[string]bool{"with": true, "without": false} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				n++
				e := cutting(uuid.New(), "appointment.cancelled", 2)
				e.CutsOff = cutsOff
				require.NoError(b, w.InTx(b.Context(), cmd, func(tx pgx.Tx) error {
					if _, err := tx.Exec(b.Context(), "SELECT FROM appointments WHERE id = $1 FOR UPDATE", ids[n%len(ids)]); err != nil {
						return err
					}
					if _, err := tx.Exec(b.Context(), "UPDATE appointments SET version = version + 1, updated_at = now() WHERE id = $1", ids[n%len(ids)]); err != nil {
						return err
					}
					return outbox.Append(b.Context(), tx, e)
				}))
			}
		})
	}
}
