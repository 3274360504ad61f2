package periodic

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/directory"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

func TestAttention_ReportsAppointmentsLeftBehind(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	logger := slog.New(slog.DiscardHandler)
	writer := outbox.NewWriter(db.App, outbox.NewWaker(db.App, logger))
	clinic, patient, doctor := uuid.New(), uuid.New(), uuid.New()
	exec := func(sql string, args ...any) {
		_, err := db.Owner.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	exec(`INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Clinic', 'UTC')`, clinic)
	exec(`INSERT INTO users (id, email, given_name, family_name) VALUES ($1, 'a@b.example', 'A', 'B'), ($2, 'c@b.example', 'A', 'B')`, patient, doctor)
	exec(`INSERT INTO memberships (id, user_id, clinic_id, role) VALUES (gen_random_uuid(), $2, $1, 'patient'), (gen_random_uuid(), $3, $1, 'doctor')`, clinic, patient, doctor)
	exec(`INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, historic, created_at, created_by, updated_at, updated_by)
		VALUES (gen_random_uuid(), 1, $1, $2, $3, 'booked', now() + interval '1 day', now() + interval '25 hours', false, now(), '', now(), '')`, clinic, patient, doctor)
	exec(`UPDATE memberships SET revoked_at = now() WHERE user_id = $1`, doctor)

	cfg := &river.Config{Schema: "river", Logger: logger, Workers: river.NewWorkers(), Queues: map[string]river.QueueConfig{}, ReindexerSchedule: river.NeverSchedule()}
	Add(cfg, directory.New(writer))
	AddAttention(cfg, appointment.New(writer))
	client, err := river.NewClient(riverpgxv5.New(db.Worker), cfg)
	require.NoError(t, err)
	require.NoError(t, client.Start(t.Context()))
	t.Cleanup(func() { <-client.Stopped() })

	require.Eventually(t, func() bool {
		var told int
		require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE type = 'appointment.needs_attention' AND person_id = $1 AND actor_id = 'system:appointment'`, patient).Scan(&told))
		return told == 1
	}, 30*time.Second, 50*time.Millisecond)
}
