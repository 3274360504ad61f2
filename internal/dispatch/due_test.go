package dispatch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/dispatch"
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

// quiet gives the person quiet hours around the clock of what is due, from an hour ago for the given
// time.
func (b *bundle) quiet(person uuid.UUID, lasts time.Duration) {
	b.tb.Helper()
	now := one[time.Time](b, `SELECT due_now()`).UTC()
	hours := fmt.Sprintf(`[{"from": "%s", "to": "%s"}]`, now.Add(-time.Hour).Format("15:04"), now.Add(lasts).Format("15:04"))
	b.exec(`INSERT INTO person_times (user_id, quiet_hours) VALUES ($1, $2::jsonb) ON CONFLICT (user_id) DO UPDATE SET quiet_hours = excluded.quiet_hours`, person, hours)
}

func TestDue_MessagesWaitForTheEndOfQuietHours(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	_, err := b.publish(`rules:
  - {name: report, on: ehr.lab_report.created, recipients: [{user: data.userId}], channels: [push, email]}
  - {name: alarm, on: ehr.lab_report.critical, recipients: [{user: data.doctorId}], channels: [push], priority: critical}
`)
	require.NoError(t, err)
	b.quiet(patient, 2*time.Hour)
	b.quiet(doctor, 2*time.Hour)
	report, alarm := b.record("ehr.lab_report.created", patient, doctor), b.record("ehr.lab_report.critical", patient, doctor)
	b.commit(report, alarm)
	b.follow()
	require.Equal(t, []string{"pat push planned normal: quiet_hours", "pat email planned normal: quiet_hours"}, b.told(report))
	require.Equal(t, []string{"doc push queued critical: rule alarm"}, b.told(alarm), "a critical message does not wait")
	require.Equal(t, 2, one[int](b, `SELECT count(*)::integer FROM notifications WHERE held_until IS NULL`), "the inbox does not ring: both are in it at once")

	b.advance(time.Hour)
	require.Zero(t, b.due())
	b.quiet(patient, 3*time.Hour) // They changed their mind meanwhile.
	b.exec(`UPDATE notifications SET due_at = due_now() WHERE due_at IS NOT NULL`)
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{"pat push planned normal: quiet_hours", "pat email planned normal: quiet_hours"}, b.told(report), "they wait for the new end")
	b.advance(2*time.Hour + time.Minute)
	require.Zero(t, b.due(), "the old end has passed")
	b.advance(2 * time.Hour)
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{"pat push queued normal: rule report, after quiet hours", "pat email queued normal: rule report, after quiet hours"}, b.told(report))
	require.Len(t, b.jobs(report), 2)
}

func TestDue_SendsNothingOfWhatIsNoLongerTrue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient := b.user("pat", care.Patient)
	_, err := b.publish(reminders)
	require.NoError(t, err)
	id := newID()
	booked := b.appointment("appointment.booked", id, patient, 1, time.Now().Add(48*time.Hour))
	b.commit(booked)
	b.follow()
	cancelled := b.appointment("appointment.cancelled", id, patient, 2, time.Now().Add(48*time.Hour))
	cancelled.CutsOff = true
	b.commit(cancelled)
	for _, line := range b.told(booked) {
		require.Contains(t, line, "cancelled normal: cut_off:appointment.cancelled")
	}
	b.advance(48 * time.Hour)
	require.Zero(t, b.due(), "the planner has not passed the cancellation yet")
	b.follow()
	require.Zero(t, b.due())
	require.Empty(t, b.jobs(booked))
	require.Zero(t, one[int](b, `SELECT count(*)::integer FROM notifications WHERE event_id = $1 AND held_until IS NULL`, booked.ID))
}

func TestDue_AReminderThatWouldWaitUntilItsAppointmentBeginsIsNotSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient := b.user("pat", care.Patient)
	_, err := b.publish(`rules:
  - name: reminder
    on: appointment.booked
    recipients: [{user: data.userId}]
    channels: [push, email]
    fallback: [sms]
    schedule: [{at: data.startsAt, before: 24h}, {at: data.startsAt, before: 1h}]
`)
	require.NoError(t, err)
	booked := b.appointment("appointment.booked", newID(), patient, 1, time.Now().Add(48*time.Hour))
	b.commit(booked)
	b.follow()
	b.advance(46 * time.Hour)
	require.Equal(t, 1, b.due(), "the first")
	b.quiet(patient, 90*time.Minute)
	b.advance(61 * time.Minute)
	require.Equal(t, 1, b.due())
	require.Contains(t, b.told(booked), "pat push planned normal: quiet_hours", "they end before the appointment")
	b.quiet(patient, 2*time.Hour)
	b.exec(`UPDATE notifications SET due_at = due_now() WHERE due_at IS NOT NULL`)
	require.Equal(t, 1, b.due())
	told := b.told(booked)
	require.Contains(t, told, "pat push suppressed normal: too_late")
	require.Contains(t, told, "pat email suppressed normal: too_late")
	require.Len(t, told, 4, "and no fallback follows")
}

func TestDue_ChecksTheRightsAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient := b.user("pat", care.Patient)
	_, err := b.publish(reminders)
	require.NoError(t, err)
	e := b.appointment("appointment.booked", newID(), patient, 1, time.Now().Add(48*time.Hour))
	b.commit(e)
	b.follow()
	b.exec(`UPDATE users SET status = 'disabled' WHERE id = $1`, patient)
	b.advance(48 * time.Hour)
	require.Equal(t, 2, b.due())
	for _, line := range b.told(e) {
		require.Contains(t, line, "suppressed normal: user_disabled")
	}
	require.Empty(t, b.jobs(e))
}

func TestExplainPerson_TellsWhichRulesComeNearest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	_, err := b.publish(`rules:
  - {name: to-patient, on: ehr.lab_report.created, recipients: [{user: data.userId}], channels: [push]}
  - {name: never, on: ehr.lab_report.created, when: "!data.released", recipients: [{role: [doctor, nurse]}], channels: [push]}
  - {name: not-me, on: ehr.lab_report.created, recipients: [{user: data.doctorId, unless: "true"}], channels: [push]}
  - {name: other, on: user.updated, recipients: [{user: data.userId}], channels: [push]}
`)
	require.NoError(t, err)
	e := b.record("ehr.lab_report.created", patient, doctor)
	b.commit(e)
	b.follow()
	operator := care.Actor{UserID: newID(), Memberships: []care.Membership{{Role: care.Operator}}}
	explain := func(person uuid.UUID) (x dispatch.Explanation) {
		require.NoError(t, postgres.InTxAs(t.Context(), b.App, operator, func(tx pgx.Tx) (err error) {
			x, err = dispatch.ExplainPerson(t.Context(), tx, e.ID, person, known.Known)
			return err
		}))
		return x
	}
	x := explain(newID())
	require.False(t, x.Person.Named)
	require.Equal(t, []dispatch.NearestRule{
		{Rule: "to-patient", Reason: "other_recipients", Recipients: []string{"user data.userId"}},
		{Rule: "never", Reason: "condition_false", Recipients: []string{"role doctor nurse"}},
		{Rule: "not-me", Reason: "other_recipients", Recipients: []string{"user data.doctorId"}},
	}, x.Person.Nearest)
	x = explain(patient)
	require.True(t, x.Person.Named)
	require.Len(t, x.Rules, 1)
	require.Equal(t, "queued", x.Rules[0].Decisions[0].State)
}

func TestDue_AReviewAtNightDoesNotRing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	_, err := b.publish(`rules: [{name: report, on: ehr.lab_report.created, recipients: [{user: data.userId}], channels: [push]}]`)
	require.NoError(t, err)
	b.quiet(patient, 2*time.Hour)
	e := b.record("ehr.lab_report.created", patient, doctor)
	data := event.Record{}
	require.NoError(t, json.Unmarshal(e.Data, &data))
	data.Critical, data.Held = true, true
	e.Data, err = json.Marshal(data)
	require.NoError(t, err)
	b.heldRecord(data.RecordID, patient, doctor)
	b.commit(e)
	b.follow()
	require.Equal(t, []string{"pat push planned normal: awaiting_review"}, b.told(e))

	b.exec(`UPDATE records SET held_until = NULL WHERE id = $1`, data.RecordID)
	b.commit(event.New(care.Command{Actor: care.SystemActor("test")}, "ehr.lab_report.reviewed", care.Ref{Kind: "lab_report", ID: data.RecordID}, data).About(care.Command{}, patient, &b.clinic))
	b.follow()
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{"pat push planned normal: quiet_hours"}, b.told(e))
	require.Empty(t, b.jobs(e))
	require.Equal(t, 1, one[int](b, `SELECT count(*)::integer FROM notifications WHERE held_until IS NULL`), "it is in the inbox from the review on")
	b.advance(3 * time.Hour)
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{"pat push queued normal: rule report, after quiet hours"}, b.told(e))
	require.Equal(t, []string{"notification.scheduled pat: push planned", "notification.planned pat: push planned", "notification.planned pat: push queued"}, b.announced(e))
}

// fallBack replaces the failed push message of an event by one on a fallback channel, as the worker does
// for a person who may have quiet hours.
func (b *bundle) fallBack(e event.Event, channel string) {
	b.tb.Helper()
	b.exec(`UPDATE deliveries SET state = 'failed', fallback = '{}' WHERE event_id = $1 AND channel = 'push'`, e.ID)
	b.exec(`INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, reason, rule, template, priority)
		SELECT gen_random_uuid(), event_position, notification_id, event_id, recipient_id, $2, 'planned', 'fallback for push, rule ' || rule, rule, template, priority
		FROM deliveries WHERE event_id = $1 AND channel = 'push'`, e.ID, channel)
	b.exec(`UPDATE notifications SET due_at = due_now() WHERE event_id = $1`, e.ID)
}

func TestDue_HoldsAFallbackInQuietHours(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	_, err := b.publish("rules:\n" + aRule("one", "ehr.*.created", "    channels: [push]\n    fallback: [email, sms]\n"))
	require.NoError(t, err)
	e := b.collect(1, patient, doctor)[0]
	b.quiet(patient, 3*time.Hour)
	b.fallBack(e, "email")
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{"pat email planned normal: quiet_hours", "pat push failed normal: rule one"}, b.sorted(e))
	require.Zero(t, b.due())
	b.advance(4 * time.Hour)
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{"pat email queued normal: rule one, after quiet hours", "pat push failed normal: rule one"}, b.sorted(e))
	require.Len(t, b.jobs(e), 2)

	b.quiet(patient, -time.Minute)
	e = b.collect(1, patient, doctor)[0]
	b.fallBack(e, "email")
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{"pat email queued normal: fallback for push, rule one", "pat push failed normal: rule one"}, b.sorted(e), "at once by day")
	require.Equal(t, []string{"sms"}, b.texts(`SELECT array_to_string(fallback, ' ') FROM deliveries WHERE event_id = $1 AND channel = 'email'`, e.ID))
}

// sorted is told in the order of the texts.
func (b *bundle) sorted(e event.Event) []string {
	b.tb.Helper()
	all := b.told(e)
	slices.Sort(all)
	return all
}

func TestDue_LeavesARuleSetThatThisBinaryDoesNotUnderstandToAnother(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient := b.user("pat", care.Patient)
	version, err := b.publish(reminders)
	require.NoError(t, err)
	e := b.appointment("appointment.booked", newID(), patient, 1, time.Now().Add(2*time.Hour))
	b.commit(e)
	b.follow()
	b.planner = b.newPlanner() // It has compiled no set yet.
	b.exec(`UPDATE rule_sets SET source = 'rules: [{name: x, telepathy: true}]' WHERE version = $1`, version)
	b.advance(time.Hour + time.Second)
	require.Equal(t, 1, b.due())
	require.Zero(t, b.due(), "it is tried again in a minute")
	require.Equal(t, []string{
		"reminder pat email planned: rule reminder/1h-before-startsAt", "reminder pat push planned: rule reminder/1h-before-startsAt",
	}, slices.DeleteFunc(said(b.explain(e), map[uuid.UUID]string{patient: "pat"}), func(line string) bool { return !strings.Contains(line, "planned") }))

	b.exec(`UPDATE rule_sets SET source = $2 WHERE version = $1`, version, reminders)
	b.planner = b.newPlanner()
	b.advance(61 * time.Second)
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{"pat push queued normal: rule reminder/1h-before-startsAt", "pat email queued normal: rule reminder/1h-before-startsAt"}, b.told(e))
}

func TestDue_TakesNothingThatAnotherInstanceHasLocked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.publish(reminders)
	require.NoError(t, err)
	e := b.appointment("appointment.booked", newID(), b.user("pat", care.Patient), 1, time.Now().Add(2*time.Hour))
	b.commit(e)
	b.follow()
	b.advance(time.Hour + time.Second)
	other, err := b.Worker.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Rollback(context.Background()) })
	n, err := b.planner.Due().Work(t.Context(), other, 500)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, postgres.InTx(t.Context(), b.Worker, func(tx pgx.Tx) error {
		// Waiting for the other instance would be an error.
		_, err := tx.Exec(t.Context(), `SET LOCAL lock_timeout = '1ms'`)
		require.NoError(t, err)
		n, err = b.planner.Due().Work(t.Context(), tx, 500)
		return err
	}))
	require.Zero(t, n)
	require.NoError(t, other.Rollback(t.Context()))
	require.Equal(t, 1, b.due(), "which gave it up")
}

func TestDue_DecidesByTheDefaultsOfItsTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	_, err := b.publish("rules:\n" + aRule("one", "ehr.*.created", "    channels: [push]\n"))
	require.NoError(t, err)
	defaults := func(lasts time.Duration) {
		now := one[time.Time](b, `SELECT due_now()`).UTC()
		hours := fmt.Sprintf(`[{"from": "%s", "to": "%s"}]`, now.Add(-time.Hour).Format("15:04"), now.Add(lasts).Format("15:04"))
		b.exec(`INSERT INTO notification_defaults (clinic_id, version, settings, essential, quiet_hours, updated_at, updated_by) VALUES ($1, 1, '{}', '{}', $2::jsonb, now(), 'test')
			ON CONFLICT ON CONSTRAINT notification_defaults_key DO UPDATE SET quiet_hours = excluded.quiet_hours`, b.clinic, hours)
	}
	defaults(2 * time.Hour)
	e := b.collect(1, patient, doctor)[0]
	require.Equal(t, []string{"pat push planned normal: quiet_hours"}, b.told(e))

	defaults(4 * time.Hour)
	b.advance(2*time.Hour + time.Minute)
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{"pat push planned normal: quiet_hours"}, b.told(e), "a later end is kept")

	defaults(time.Minute)
	b.advance(time.Hour)
	require.Zero(t, b.due(), "an earlier end does not move what waits")
	b.advance(time.Hour)
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{"pat push queued normal: rule one, after quiet hours"}, b.told(e))
}
