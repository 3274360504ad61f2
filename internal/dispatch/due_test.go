package dispatch_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// appointment is an event of an appointment of the patient, at a version.
func (b *bundle) appointment(typ string, id, patient uuid.UUID, version int64, startsAt time.Time) event.Event {
	cmd := care.Command{Actor: care.SystemActor("test")}
	data := event.Appointment{AppointmentID: id, UserID: patient, ClinicID: b.clinic, DoctorID: newID(), Status: "booked", StartsAt: startsAt.UTC().Format(time.RFC3339)}
	return event.New(cmd, typ, care.Ref{Kind: "appointment", ID: id}, data).About(cmd, patient, &b.clinic).AtVersion(version)
}

// due handles what is due and returns how many notifications that were.
func (b *bundle) due() (n int) {
	b.tb.Helper()
	require.NoError(b.tb, postgres.InTx(b.tb.Context(), b.Worker, func(tx pgx.Tx) (err error) {
		n, err = b.planner.Due().Work(b.tb.Context(), tx, 500)
		return err
	}))
	return n
}

// advance moves the clock of what is due.
func (b *bundle) advance(by time.Duration) {
	b.tb.Helper()
	_, err := db.New(b.Worker).DueClockMove(b.tb.Context(), by.Seconds())
	require.NoError(b.tb, err)
}

const reminders = `rules:
  - name: reminder
    on: appointment.booked
    recipients: [{user: data.userId}]
    channels: [push, email]
    schedule: [{at: data.startsAt, before: 24h}, {at: data.startsAt, before: 1h}]
`

func TestDue_RemindsAtTheTimesOfASchedule(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient := b.user("pat", care.Patient)
	_, err := b.publish(reminders)
	require.NoError(t, err)
	e := b.appointment("appointment.booked", newID(), patient, 1, time.Now().Add(48*time.Hour))
	b.commit(e)
	b.follow()

	require.Equal(t, []string{
		"pat push planned normal: rule reminder/24h-before-startsAt", "pat email planned normal: rule reminder/24h-before-startsAt",
		"pat push planned normal: rule reminder/1h-before-startsAt", "pat email planned normal: rule reminder/1h-before-startsAt",
	}, b.told(e))
	require.Empty(t, b.jobs(e))
	require.Equal(t, []string{"notification.scheduled pat: push planned email planned", "notification.scheduled pat: push planned email planned"}, b.announced(e))
	require.Zero(t, b.due(), "nothing is due yet")
	require.Equal(t, 2, one[int](b, `SELECT count(*)::integer FROM notifications WHERE held_until IS NOT NULL`), "a reminder is not in the inbox before its time")

	b.advance(24*time.Hour + time.Minute)
	require.Equal(t, 1, b.due())
	require.Zero(t, b.due())
	require.Equal(t, []string{
		"pat push queued normal: rule reminder/24h-before-startsAt", "pat email queued normal: rule reminder/24h-before-startsAt",
		"pat push planned normal: rule reminder/1h-before-startsAt", "pat email planned normal: rule reminder/1h-before-startsAt",
	}, b.told(e))
	require.Len(t, b.jobs(e), 2)
	require.Equal(t, 1, one[int](b, `SELECT count(*)::integer FROM notifications WHERE held_until IS NULL`))

	b.exec(`DELETE FROM devices WHERE user_id = $1`, patient)
	b.advance(23 * time.Hour)
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{
		"pat push suppressed normal: no_address", "pat email queued normal: rule reminder/1h-before-startsAt",
	}, b.told(e)[2:], "what has changed since is decided again")
	require.Len(t, b.jobs(e), 3)
}

func TestDue_IsTooLateForATimeThatHasPassed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient := b.user("pat", care.Patient)
	_, err := b.publish(reminders)
	require.NoError(t, err)
	e := b.appointment("appointment.booked", newID(), patient, 1, time.Now().Add(5*time.Hour))
	b.commit(e)
	b.follow()
	require.Equal(t, []string{"reminder/24h-before-startsAt pat -: too_late"}, b.not(e))
	require.Len(t, b.told(e), 2)
}
