package appointment_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/appointment"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

func TestQueries_UseIndexesInAFullDiary(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// Two full diaries of 4,000 half hours each, far from the other appointments.
	for _, pair := range [][2]uuid.UUID{{b.patient.UserID, b.doctor.UserID}, {b.neighbour.UserID, b.colleague.UserID}} {
		b.Exec(t, `INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, historic, created_at, created_by, updated_at, updated_by)
			SELECT gen_random_uuid(), 1, $1, $2, $3, CASE WHEN extract(hour FROM at) = 7 THEN 'cancelled' ELSE 'booked' END, at, at + interval '30 minutes', false, now(), '', now(), ''
			FROM generate_series($4::timestamptz, $4::timestamptz + interval '1999 hours', interval '30 minutes') AS at`, b.here, pair[0], pair[1], b.start)
	}
	b.Exec(t, "ANALYZE appointments")
	clinics := []uuid.UUID{b.here}
	dawn, dusk := time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	slot, none := b.slot(7), []string{}
	for name, c := range map[string]struct {
		sql     string
		args    []any
		indexes []string
	}{
		"of a patient": {
			db.AppointmentListOfPatient,
			[]any{true, uuid.Nil, true, uuid.Nil, none, true, uuid.Nil, true, b.patient.UserID, clinics, false, b.patient.UserID, dusk, dawn, uuid.Nil, int32(51)},
			[]string{"appointments_patient_idx"},
		},
		"of a doctor": {
			db.AppointmentListOfDoctor,
			[]any{true, uuid.Nil, none, true, uuid.Nil, true, b.doctor.UserID, clinics, false, b.doctor.UserID, dusk, dawn, uuid.Nil, int32(51)},
			[]string{"appointments_doctor_idx"},
		},
		"all": {
			db.AppointmentListVisible,
			[]any{none, true, uuid.Nil, false, true, b.doctor.UserID, dusk, dawn, uuid.Nil, int32(51), clinics},
			[]string{"appointments_patient_idx", "appointments_clinic_idx"},
		},
		"those that need attention, in a status": {
			db.AppointmentListVisibleInStatus,
			[]any{[]string{"booked"}, true, uuid.Nil, true, true, b.doctor.UserID, dusk, slot.StartsAt, uuid.Nil, int32(51), clinics},
			[]string{"appointments_clinic_status_idx", "appointments_pkey", "absences_clinic"},
		},
	} {
		rows, err := b.db.App.Query(t.Context(), "EXPLAIN "+c.sql, c.args...)
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		plan := strings.Join(lines, "\n")
		for _, index := range c.indexes {
			require.Contains(t, plan, index, "%s:\n%s", name, plan)
		}
		require.NotContains(t, plan, "Seq Scan", "%s:\n%s", name, plan)
	}
	b.requireIndexesServeTaken(t, slot)
}

// requireIndexesServeTaken checks which indexes were scanned: EXPLAIN does not show the inside of a
// function.
func (b *testBundle) requireIndexesServeTaken(t *testing.T, slot appointment.Slot) {
	t.Helper()
	conn, err := b.db.Owner.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	batch := &pgx.Batch{}
	postgres.QueueActorScope(batch, b.receptionist)
	batch.Queue(db.AppointmentTaken, b.doctor.UserID, b.patient.UserID, slot.StartsAt, slot.EndsAt, uuid.New())
	require.NoError(t, conn.SendBatch(t.Context(), batch).Close())
	_, err = conn.Exec(t.Context(), "SELECT pg_stat_force_next_flush()")
	require.NoError(t, err)
	var scanned int
	err = conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_user_indexes
		WHERE indexrelname IN ('appointments_doctor_free', 'appointments_patient_free') AND idx_scan > 0`).Scan(&scanned)
	require.NoError(t, err)
	require.Equal(t, 2, scanned, "each half of the look-up uses its index")
}
