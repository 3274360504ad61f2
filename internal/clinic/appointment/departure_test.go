package appointment_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/appointment"
)

func TestSweepAttention_ReportsThousandsInBatchesEachOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, `INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, historic, created_at, created_by, updated_at, updated_by)
		SELECT gen_random_uuid(), 1, $1, $2, $3, 'booked', at, at + interval '30 minutes', false, now(), '', now(), ''
		FROM generate_series($4::timestamptz, $4::timestamptz + interval '224 hours', interval '30 minutes') AS at`, b.here, b.patient.UserID, b.doctor.UserID, b.start)
	const left = 449 // More than two batches.
	require.Equal(t, left, b.Count(t, "appointments"))
	_, err := b.service.SweepAttention(t.Context())
	require.NoError(t, err)
	require.Zero(t, b.Count(t, "outbox"), "nobody left")

	b.Exec(t, "UPDATE memberships SET revoked_at = now() WHERE user_id = $1 AND clinic_id = $2", b.doctor.UserID, b.here)
	totals := make([]int, 2)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i := range totals {
		wg.Go(func() { totals[i], errs[i] = b.service.SweepAttention(t.Context()) })
	}
	wg.Wait()
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	last, err := b.service.SweepAttention(t.Context()) // One sweep skipped the rows that the other had locked.
	require.NoError(t, err)
	require.Equal(t, left, totals[0]+totals[1]+last)
	var told, subjects int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*), count(DISTINCT subject) FROM outbox WHERE type = 'appointment.needs_attention' AND data->>'reason' = 'doctor_left'`).Scan(&told, &subjects))
	require.Equal(t, []int{left, left}, []int{told, subjects})
	require.Zero(t, b.Count(t, "appointment_departures"))
}

func TestSweepAttention_IgnoresPeopleWhoReturned(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.create(t, b.receptionist, b.input(0))
	before := b.Count(t, "outbox")
	b.Exec(t, "UPDATE users SET status = 'disabled' WHERE id = $1", b.patient.UserID)
	require.Equal(t, 2, b.Count(t, "appointment_departures"), "from both clinics")
	b.Exec(t, "UPDATE users SET status = 'active' WHERE id = $1", b.patient.UserID)
	n, err := b.service.SweepAttention(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, before, b.Count(t, "outbox"))
	require.Zero(t, b.Count(t, "appointment_departures"))
}

func TestSchedule_KeepsLocalTimeWhenClocksChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	b.Exec(t, "UPDATE clinics SET time_zone = 'Europe/Berlin'")
	_, err = b.service.UpdateHours(t.Context(), by(b.admin), b.here, b.doctor.UserID, 0, everyDay("08:00", "12:00"))
	require.NoError(t, err)
	// The last Sunday of next March: clocks go from 02:00 to 03:00.
	day := time.Date(time.Now().Year()+1, time.April, 0, 0, 0, 0, 0, zone)
	for day.Weekday() != time.Sunday {
		day = day.AddDate(0, 0, -1)
	}
	year, month, date := day.Date()
	ask := func(hour, minute int) error {
		in := b.input(0)
		in.StartsAt = time.Date(year, month, date, hour, minute, 0, 0, zone)
		in.EndsAt = in.StartsAt.Add(30 * time.Minute)
		_, err := b.service.Create(t.Context(), by(b.patient), in)
		return err
	}
	require.Error(t, ask(7, 30))
	require.NoError(t, ask(8, 0))
	require.NoError(t, ask(11, 30))
	require.Error(t, ask(11, 45))
}

func TestReassign_KeepsTheTimeAndFreesTheOtherDoctor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := b.at(t, appointment.Confirmed, 0)
	a, err := b.service.Reassign(t.Context(), by(b.nurse), a.ID, a.Version, appointment.NewDoctor{DoctorID: b.colleague.UserID})
	require.NoError(t, err)
	require.Equal(t, []any{appointment.Booked, b.colleague.UserID, b.slot(0).StartsAt}, []any{a.Status, a.DoctorID, a.StartsAt})
	in := b.input(0)
	in.PatientID = b.neighbour.UserID
	b.create(t, b.receptionist, in)
	_, err = b.service.Reassign(t.Context(), by(b.nurse), a.ID, a.Version, appointment.NewDoctor{DoctorID: uuid.New()})
	requireCode(t, err, "invalid", "doctorId")
}
