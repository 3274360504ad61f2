package dispatch_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/event"
	"carewire/internal/inbox"
	"carewire/internal/postgres"
	"carewire/internal/rule"
)

// urgent escalates to the clinic's doctors, and after ten more minutes by SMS.
const urgent = `rules:
  - name: urgent
    on: ehr.*.critical
    recipients: [{user: data.doctorId}]
    channels: [push]
    priority: critical
    template: critical_result
    escalate:
      - {after: 5m, unless: acknowledged, to: {role: [doctor]}, channels: [push, email]}
      - {after: 10m, unless: acknowledged, to: {role: [doctor]}, channels: [sms]}
`

// steps handles the due steps of escalations and returns how many there were.
func (b *bundle) steps() (n int) {
	b.tb.Helper()
	require.NoError(b.tb, postgres.InTx(b.tb.Context(), b.Worker, func(tx pgx.Tx) (err error) {
		n, err = b.planner.Escalations().Work(b.tb.Context(), tx, 500)
		return err
	}))
	return n
}

// outcomes returns the steps of an event's escalations: "rule step outcome", with open for one that
// has not ended.
func (b *bundle) outcomes(e event.Event) []string {
	b.tb.Helper()
	return b.texts(`SELECT format('%s %s %s', rule, step, coalesce(outcome, 'open')) FROM escalations WHERE event_id = $1 ORDER BY rule, step`, e.ID)
}

// critical commits and plans a critical finding of the patient, reported by a laboratory.
func (b *bundle) critical(patient, doctor uuid.UUID) event.Event {
	b.tb.Helper()
	e := b.record("ehr.lab_report.critical", patient, doctor)
	e.ActorID = "system:laboratory"
	b.commit(e)
	b.follow()
	return e
}

// accept settles the deliveries of an event that are queued, as a provider accepted them so long
// after now.
func (b *bundle) accept(e event.Event, after time.Duration) {
	b.tb.Helper()
	b.exec(`UPDATE deliveries SET state = 'sent', sent_at = now() + make_interval(secs => $2) WHERE event_id = $1 AND state = 'queued'`, e.ID, after.Seconds())
}

// notified returns the person's notification of the event with the plan key.
func (b *bundle) notified(e event.Event, person uuid.UUID, planKey string) uuid.UUID {
	b.tb.Helper()
	return one[uuid.UUID](b, `SELECT id FROM notifications WHERE event_id = $1 AND recipient_id = $2 AND plan_key = $3`, e.ID, person, planKey)
}

func (b *bundle) acknowledge(person, id uuid.UUID) inbox.Acknowledged {
	b.tb.Helper()
	cmd := care.Command{Actor: care.Actor{ID: person.String(), UserID: person, Memberships: []care.Membership{{ClinicID: &b.clinic, Role: care.Doctor}}}}
	a, err := inbox.New(b.writer).Acknowledge(b.tb.Context(), cmd, id)
	require.NoError(b.tb, err)
	return a
}

// ward is a patient with a doctor on the care team, and another doctor of the clinic.
func (b *bundle) ward() (patient, doc, dora uuid.UUID) {
	b.tb.Helper()
	patient, doc, dora = b.user("pat", care.Patient), b.user("doc", care.Doctor), b.user("dora", care.Doctor)
	b.team(patient, doc)
	return patient, doc, dora
}

func TestEscalations_TellTheClinicsDoctorsOfACriticalFindingThatNobodyAcknowledges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doc, dora := b.ward()
	_, err := b.publish(urgent)
	require.NoError(t, err)
	e := b.critical(patient, doc)
	require.Equal(t, []string{"doc push queued critical: rule urgent"}, b.told(e))
	require.Equal(t, []string{"urgent 0 open", "urgent 1 open"}, b.outcomes(e))
	require.Zero(t, b.steps(), "nothing is due yet")

	b.advance(5*time.Minute + time.Second)
	require.Equal(t, 1, b.steps())
	require.Zero(t, b.steps(), "the second step counts from the first")
	require.Equal(t, []string{
		"doc push queued critical: rule urgent",
		"doc email queued critical: escalation of step 0, rule urgent",
		"dora push queued critical: escalation of step 0, rule urgent",
		"dora email queued critical: escalation of step 0, rule urgent",
	}, b.told(e), "the doctor of the care team has had a push message already")
	require.Len(t, b.jobs(e), 4)
	require.Equal(t, []string{"urgent 0 escalated", "urgent 1 open"}, b.outcomes(e))
	require.Equal(t, []string{"critical_result", "critical_unattended"}, b.texts(
		`SELECT DISTINCT template FROM deliveries WHERE event_id = $1 AND plan_key <> '' ORDER BY template`, e.ID), "dora may not read the record")
	require.Equal(t, []string{"doc: push", "doc: email", "dora: push email"}, b.plannedEvents(e))
	require.JSONEq(t, `[0, "urgent", "acknowledged", "escalated", 2]`, one[string](b, `
		SELECT jsonb_build_array(data->'step', data->'rule', data->'unless', data->'outcome', jsonb_array_length(data->'notificationIds'))::text
		FROM outbox WHERE type = 'notification.escalated' AND cause_id = $1`, e.ID))

	x := b.explain(e)
	require.Len(t, x.Escalations, 2)
	require.Equal(t, "escalated", x.Escalations[0].Outcome)
	require.NotNil(t, x.Escalations[0].DoneAt)
	require.Empty(t, x.Escalations[1].Outcome)
	require.NotNil(t, x.Escalations[1].DueAt)
	require.Contains(t, said(x, map[uuid.UUID]string{dora: "dora", doc: "doc"}), "urgent dora push queued: escalation of step 0, rule urgent")
}

// plannedEvents returns the events notification.planned about the event: "name: channels".
func (b *bundle) plannedEvents(e event.Event) []string {
	b.tb.Helper()
	return b.texts(`
		SELECT u.given_name || ': ' || (SELECT string_agg(c->>'channel', ' ' ORDER BY n) FROM jsonb_array_elements(o.data->'channels') WITH ORDINALITY AS x (c, n))
		FROM outbox AS o JOIN users AS u ON u.id = o.person_id WHERE o.type = 'notification.planned' AND o.cause_id = $1 ORDER BY o.id`, e.ID)
}

func TestEscalations_CountFromTheAcceptanceByAProvider(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doc, _ := b.ward()
	_, err := b.publish(urgent)
	require.NoError(t, err)
	e := b.critical(patient, doc)
	b.accept(e, 3*time.Minute)
	b.advance(6 * time.Minute)
	require.Equal(t, 1, b.steps(), "its time is moved")
	require.Zero(t, b.steps())
	require.Len(t, b.told(e), 1)
	b.advance(2*time.Minute + 10*time.Second)
	require.Equal(t, 1, b.steps())
	require.Len(t, b.told(e), 4)

	b.accept(e, 4*time.Minute)
	b.exec(`UPDATE users SET phone = '+4915112345678', phone_verified = true WHERE id = $1`, doc)
	b.advance(12 * time.Minute)
	require.Equal(t, 1, b.steps(), "the second step counts from the acceptance of the first one's messages")
	require.Zero(t, b.steps())
	b.advance(3 * time.Minute)
	require.Equal(t, 1, b.steps())
	require.Equal(t, "doc sms queued critical: escalation of step 1, rule urgent", b.told(e)[4])
	require.Equal(t, []string{"urgent 0 escalated", "urgent 1 escalated"}, b.outcomes(e))
}

func TestEscalations_EndWithTheReactionThatTheRuleWaitsFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doc, _ := b.ward()
	rules := "rules:\n"
	for _, unless := range []string{"acknowledged", "read", "delivered"} {
		rules += "  - {name: " + unless + ", on: ehr.lab_report.critical, when: 'data.status == \"" + unless + "\"', recipients: [{user: data.doctorId}, {user: data.userId}], channels: [push], priority: critical," +
			" escalate: [{after: 5m, unless: " + unless + ", to: {role: [doctor]}, channels: [email]}]}\n"
	}
	_, err := b.publish(rules)
	require.NoError(t, err)
	plan := func(unless string) event.Event {
		cmd := care.Command{Actor: care.SystemActor("laboratory")}
		data := event.Record{RecordID: newID(), UserID: patient, ClinicID: b.clinic, DoctorID: doc, Status: unless, Version: 1, Released: true}
		e := event.New(cmd, "ehr.lab_report.critical", care.Ref{Kind: "lab_report", ID: data.RecordID}, data).About(cmd, patient, &b.clinic).AtVersion(1)
		b.commit(e)
		b.follow()
		b.accept(e, 0)
		return e
	}
	state := func(to string) func(e event.Event) {
		return func(e event.Event) {
			b.exec(`UPDATE deliveries SET state = $2 WHERE event_id = $1 AND state = 'sent'`, e.ID, to)
		}
	}
	read := func(column string) func(e event.Event) {
		return func(e event.Event) {
			b.exec(`UPDATE notifications SET `+column+` = now() WHERE event_id = $1 AND recipient_id = $2`, e.ID, doc)
		}
	}
	byPatient := func(e event.Event) {
		b.exec(`UPDATE notifications SET read_at = now(), acknowledged_at = now() WHERE event_id = $1 AND recipient_id = $2`, e.ID, patient)
		b.exec(`UPDATE deliveries SET state = 'read' WHERE event_id = $1 AND recipient_id = $2`, e.ID, patient)
	}
	type expected struct {
		event event.Event
		want  string
	}
	var all []expected
	for _, c := range []struct {
		unless, want string
		happens      func(e event.Event)
	}{
		{"acknowledged", "escalated", state("sent")},
		{"acknowledged", "escalated", state("delivered")},
		{"acknowledged", "escalated", state("read")},
		{"acknowledged", "escalated", read("read_at")},
		{"acknowledged", "acknowledged", read("acknowledged_at")},
		{"read", "escalated", state("delivered")},
		{"read", "read", state("read")},
		{"read", "read", read("read_at")},
		{"read", "acknowledged", read("acknowledged_at")},
		{"delivered", "escalated", state("sent")},
		{"delivered", "escalated", state("failed")},
		{"delivered", "delivered", state("delivered")},
		{"delivered", "read", state("read")},
		{"delivered", "read", read("read_at")},
		{"read", "escalated", byPatient},
		{"acknowledged", "escalated", byPatient},
	} {
		e := plan(c.unless)
		c.happens(e)
		all = append(all, expected{e, c.unless + " 0 " + c.want})
	}
	b.advance(6 * time.Minute)
	require.Equal(t, len(all), b.steps())
	for i, c := range all {
		// The doctor is the only one: they have had no email.
		require.Equal(t, []string{c.want}, b.outcomes(c.event), i)
	}
}

func TestEscalations_CountThePatientsReactionIfTheRuleNotifiesNobodyElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, _, _ := b.ward()
	b.exec(`UPDATE users SET phone = '+4915112345678', phone_verified = true WHERE id = $1`, patient)
	_, err := b.publish(`rules:
  - name: reminder
    on: appointment.booked
    recipients: [{user: data.userId}]
    channels: [push]
    escalate: [{after: 10m, unless: delivered, to: {user: data.userId}, channels: [push, sms]}]
`)
	require.NoError(t, err)
	missed := b.appointment("appointment.booked", newID(), patient, 1, time.Now().Add(48*time.Hour))
	arrived := b.appointment("appointment.booked", newID(), patient, 1, time.Now().Add(48*time.Hour))
	b.commit(missed, arrived)
	b.follow()
	b.accept(missed, 0)
	b.exec(`UPDATE deliveries SET state = 'delivered', sent_at = now() WHERE event_id = $1`, arrived.ID)
	b.advance(11 * time.Minute)
	require.Equal(t, 2, b.steps())
	require.Equal(t, []string{"pat push sent normal: rule reminder", "pat sms queued normal: escalation of step 0, rule reminder"}, b.told(missed),
		"the same person, on the channel that they had no message on")
	require.Equal(t, []string{"reminder 0 escalated"}, b.outcomes(missed))
	require.Len(t, b.told(arrived), 1)
	require.Equal(t, []string{"reminder 0 delivered"}, b.outcomes(arrived))
}

func TestEscalations_ThatReachNobodyGoOnAtOnceAndAlertOperatorsAtTheEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	alerts := 0
	b.planner = b.newPlanner(func(c *dispatch.Config) { c.Unreached = func() { alerts++ } })
	patient, doc := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	b.team(patient, doc)
	_, err := b.publish(`rules:
  - name: urgent
    on: ehr.*.critical
    recipients: [{user: data.doctorId}]
    channels: [push]
    priority: critical
    template: critical_result
    escalate:
      - {after: 5m, unless: acknowledged, to: {role: [nurse]}, channels: [push]}
      - {after: 1h, unless: acknowledged, to: {careTeam: [doctor]}, channels: [push, sms]}
`)
	require.NoError(t, err)
	e := b.critical(patient, doc)
	b.advance(5*time.Minute + time.Second)
	require.Equal(t, 1, b.steps())
	require.Zero(t, alerts)
	require.Equal(t, 1, b.steps(), "the next step does not wait for its hour")
	require.Zero(t, b.steps())
	require.Equal(t, []string{"urgent 0 nobody", "urgent 1 nobody"}, b.outcomes(e))
	require.Equal(t, []string{"urgent/escalation/0 - -: nobody_in_role", "urgent/operators - -: reached_nobody"}, b.not(e))
	require.Equal(t, "doc sms suppressed critical: no_address", b.told(e)[1])
	require.Equal(t, 1, alerts)
	require.Contains(t, b.log.String(), "a critical event reaches nobody")
}

func TestEscalations_WaitWhileAllMessagesWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient := b.user("pat", care.Patient)
	_, err := b.publish(`rules:
  - name: reminder
    on: appointment.booked
    recipients: [{user: data.userId}]
    channels: [push]
    escalate: [{after: 10m, unless: read, to: {user: data.userId}, channels: [email]}]
`)
	require.NoError(t, err)
	e := b.appointment("appointment.booked", newID(), patient, 1, time.Now().Add(48*time.Hour))
	b.commit(e)
	b.follow()
	b.exec(`UPDATE deliveries SET state = 'planned', not_before = now() + interval '8 hours' WHERE event_id = $1`, e.ID)
	b.advance(time.Hour)
	require.Equal(t, 1, b.steps(), "the message waits for the end of quiet hours")
	b.advance(7*time.Hour + 5*time.Minute)
	require.Zero(t, b.steps())
	b.exec(`UPDATE deliveries SET state = 'sent', sent_at = now() WHERE event_id = $1`, e.ID)
	b.advance(6 * time.Minute)
	require.Equal(t, 1, b.steps())
	require.Equal(t, []string{"reminder 0 escalated"}, b.outcomes(e))
}

func TestEscalations_MessagesThatWaitForQuietHoursAreSentWithTheStepsChannels(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doc, _ := b.ward()
	_, err := b.publish(`rules:
  - name: result
    on: ehr.*.created
    recipients: [{user: data.userId}]
    channels: [push]
    digest: {window: 10m, key: [recipient], channels: [push]}
    escalate: [{after: 10m, unless: read, to: {user: data.doctorId}, channels: [email]}]
`)
	require.NoError(t, err)
	e := b.record("ehr.lab_report.created", patient, doc)
	b.commit(e)
	b.follow()
	b.advance(11 * time.Minute)
	require.Equal(t, 1, b.steps())
	b.exec(`UPDATE deliveries SET state = 'planned', reason = 'quiet_hours', not_before = now() WHERE event_id = $1`, e.ID)
	b.exec(`UPDATE notifications SET due_at = now() WHERE event_id = $1 AND plan_key <> ''`, e.ID)
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{"doc email queued normal: escalation of step 0, rule result"}, b.told(e), "not with the digest of the rule")
}

func TestAcknowledge_EndsTheStepsInTheSameTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doc, dora := b.ward()
	_, err := b.publish(urgent)
	require.NoError(t, err)
	e := b.critical(patient, doc)
	b.advance(6 * time.Minute)
	require.Equal(t, 1, b.steps())
	require.Equal(t, 3, one[int](b, `SELECT count(*)::integer FROM notifications WHERE needs_acknowledgement`))

	told := b.notified(e, dora, rule.StepKey("urgent", 0))
	a := b.acknowledge(dora, told)
	require.EqualValues(t, 1, a.EscalationsEnded)
	require.Equal(t, []string{"urgent 0 escalated", "urgent 1 acknowledged"}, b.outcomes(e))
	require.Equal(t, dora, *b.explain(e).Escalations[1].DoneBy)
	again := b.acknowledge(dora, told)
	require.Equal(t, a.AcknowledgedAt, again.AcknowledgedAt, "repeating it changes nothing")
	require.Zero(t, again.EscalationsEnded)
	require.Equal(t, []uuid.UUID{told}, b.ids(`SELECT id FROM notifications WHERE needs_acknowledgement`), "the others need not acknowledge any more")
	require.Equal(t, []string{"notification.acknowledged 1"}, b.texts(`SELECT type || ' ' || (data->>'escalationsEnded') FROM outbox WHERE type = 'notification.acknowledged'`))
	b.advance(time.Hour)
	require.Zero(t, b.steps())
	require.Len(t, b.told(e), 4)
}

func (b *bundle) ids(sql string) []uuid.UUID {
	b.tb.Helper()
	rows, err := b.Owner.Query(b.tb.Context(), sql)
	require.NoError(b.tb, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(b.tb, err)
	return all
}

func TestAcknowledge_ByThePatientEndsNothingIfOthersWereNotified(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doc, _ := b.ward()
	_, err := b.publish(`rules:
  - name: both
    on: ehr.*.created
    recipients: [{user: data.doctorId}, {user: data.userId}]
    channels: [push]
    escalate: [{after: 5m, unless: acknowledged, to: {user: data.doctorId}, channels: [email]}]
  - name: alone
    on: appointment.booked
    recipients: [{user: data.userId}]
    channels: [push]
    escalate: [{after: 5m, unless: acknowledged, to: {user: data.userId}, channels: [email]}]
`)
	require.NoError(t, err)
	both := b.record("ehr.lab_report.created", patient, doc)
	alone := b.appointment("appointment.booked", newID(), patient, 1, time.Now().Add(48*time.Hour))
	b.commit(both, alone)
	b.follow()
	require.Zero(t, b.acknowledge(patient, b.notified(both, patient, "")).EscalationsEnded)
	require.EqualValues(t, 1, b.acknowledge(patient, b.notified(alone, patient, "")).EscalationsEnded)
	require.Equal(t, []string{"both 0 open"}, b.outcomes(both))
	require.Equal(t, []string{"alone 0 acknowledged"}, b.outcomes(alone))
	require.Equal(t, []uuid.UUID{b.notified(both, doc, ""), b.notified(alone, patient, "")}, b.ids(`SELECT id FROM notifications WHERE needs_acknowledgement ORDER BY event_position`))
	b.advance(6 * time.Minute)
	require.Equal(t, 1, b.steps())
	require.Equal(t, []string{"both 0 escalated"}, b.outcomes(both))
}

func TestEscalations_OfOneEventFollowOnceWithTwoSchedulersAndAfterARollback(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doc, _ := b.ward()
	_, err := b.publish(urgent)
	require.NoError(t, err)
	const events = 30
	var all []event.Event
	for range events {
		e := b.record("ehr.lab_report.critical", patient, doc)
		e.ActorID = "system:laboratory"
		all = append(all, e)
	}
	b.commit(all...)
	b.follow()
	b.advance(6 * time.Minute)
	killed := errors.New("killed")
	require.ErrorIs(t, postgres.InTx(t.Context(), b.Worker, func(tx pgx.Tx) error {
		n, err := b.planner.Escalations().Work(t.Context(), tx, 500)
		require.NoError(t, err)
		require.Equal(t, events, n)
		return killed
	}), killed)
	for _, e := range all {
		require.Len(t, b.jobs(e), 1)
	}

	var schedulers sync.WaitGroup
	counts, failures := make(chan int, 2), make(chan error, 2)
	for range 2 {
		planner := b.newPlanner()
		schedulers.Go(func() {
			total := 0
			for range events {
				err := postgres.InTx(t.Context(), b.Worker, func(tx pgx.Tx) error {
					n, err := planner.Escalations().Work(t.Context(), tx, 3)
					total += n
					return err
				})
				if err != nil {
					failures <- err
					return
				}
			}
			counts <- total
			failures <- nil
		})
	}
	schedulers.Wait()
	require.NoError(t, <-failures)
	require.NoError(t, <-failures)
	require.Equal(t, events, <-counts+<-counts)
	for _, e := range all {
		require.Equal(t, []string{"urgent 0 escalated", "urgent 1 open"}, b.outcomes(e))
		require.Len(t, b.jobs(e), 4)
	}
}

func TestAcknowledge_RacingTheSchedulerEndsEachStepOneWay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doc, _ := b.ward()
	_, err := b.publish(urgent)
	require.NoError(t, err)
	const events = 100
	var all []event.Event
	for range events {
		e := b.record("ehr.lab_report.critical", patient, doc)
		e.ActorID = "system:laboratory"
		all = append(all, e)
	}
	b.commit(all...)
	b.follow()
	b.advance(6 * time.Minute)
	ids := make([]uuid.UUID, events)
	for i, e := range all {
		ids[i] = b.notified(e, doc, "")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var racers sync.WaitGroup
	ended := make([]int32, events)
	failures := make(chan error, 2)
	racers.Go(func() {
		service := inbox.New(b.writer)
		for i := range all {
			// From both ends, so that they meet at once.
			at := events - 1 - i
			a, err := service.Acknowledge(ctx, care.Command{Actor: care.Actor{ID: doc.String(), UserID: doc}}, ids[at])
			if err != nil {
				failures <- err
				return
			}
			ended[at] = a.EscalationsEnded
		}
		failures <- nil
	})
	racers.Go(func() {
		for n := 1; n > 0 && ctx.Err() == nil; {
			err := postgres.InTx(ctx, b.Worker, func(tx pgx.Tx) (err error) {
				n, err = b.planner.Escalations().Work(ctx, tx, 1)
				return err
			})
			if err != nil {
				failures <- err
				return
			}
		}
		failures <- nil
	})
	racers.Wait()
	require.NoError(t, <-failures)
	require.NoError(t, <-failures)
	escalated := 0
	for i, e := range all {
		switch outcomes := b.outcomes(e); ended[i] {
		case 2:
			require.Equal(t, []string{"urgent 0 acknowledged", "urgent 1 acknowledged"}, outcomes)
			require.Len(t, b.told(e), 1)
		default:
			escalated++
			require.EqualValues(t, 1, ended[i])
			require.Equal(t, []string{"urgent 0 escalated", "urgent 1 acknowledged"}, outcomes)
			require.Len(t, b.told(e), 4)
		}
	}
	t.Logf("%d of %d steps escalated before the acknowledgement", escalated, events)
	b.advance(time.Hour)
	require.Zero(t, b.steps(), "no step follows after the acknowledgement")
}
