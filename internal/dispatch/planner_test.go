package dispatch_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
	"carewire/internal/rule"
	"carewire/internal/rule/ruletest"
)

func TestDefaultRules_TellWhomTheyShouldAndWhy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(string(rule.Default()))
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	b.team(patient, b.user("nina", care.Nurse), doctor)
	b.user("noel", care.Nurse)
	b.user("rita", care.Receptionist)
	cmd := care.Command{Actor: care.Actor{ID: patient.String(), UserID: patient}}
	appointment := func(typ string) event.Event {
		data := event.Appointment{AppointmentID: newID(), UserID: patient, ClinicID: b.clinic, DoctorID: doctor, Status: "booked", StartsAt: "2026-12-01T09:00:00Z"}
		return b.at(event.New(cmd, typ, care.Ref{Kind: "appointment", ID: data.AppointmentID}, data).About(cmd, patient, &b.clinic))
	}
	bill := func(typ string) event.Event {
		data := event.Billing{InvoiceID: newID(), UserID: patient, ClinicID: b.clinic, Status: "open"}
		return b.at(event.New(cmd, typ, care.Ref{Kind: "invoice", ID: data.InvoiceID}, data).About(cmd, patient, &b.clinic))
	}
	both := func(name, priority, rule string) []string {
		return []string{name + " push queued " + priority + ": rule " + rule, name + " email queued " + priority + ": rule " + rule}
	}
	var nobody []string
	staff := append(both("doc", "normal", "record-created"), both("nina", "normal", "record-created")...)
	for _, c := range []struct {
		event event.Event
		told  []string
		not   []string
	}{
		{b.record("ehr.lab_report.created", patient, doctor), append(both("pat", "normal", "record-created"), staff...), nobody},
		{b.record("ehr.lab_report.updated", patient, doctor), nobody, nobody},
		{
			b.record("ehr.prescription.created", patient, doctor), append(both("pat", "high", "prescription-to-patient"), staff...),
			[]string{"record-created pat push: duplicate_of:prescription-to-patient", "record-created pat email: duplicate_of:prescription-to-patient"},
		},
		{b.record("ehr.lab_report.critical", patient, doctor), append(both("doc", "critical", "critical-result"), both("nina", "critical", "critical-result")...), nobody},
		{b.account("user.created", patient), []string{"pat email queued normal: rule welcome"}, nobody},
		{b.account("user.updated", patient, "email"), both("pat", "normal", "account-changed"), nobody},
		{b.account("user.disabled", patient), nobody, nobody},
		{appointment("appointment.booked"), append(both("pat", "normal", "appointment"), both("doc", "normal", "appointment")...), nobody},
		{appointment("appointment.requested"), append(both("pat", "normal", "appointment-requested"), both("rita", "normal", "appointment-to-desk")...), nobody},
		{appointment("appointment.checked_in"), nobody, nobody},
		{appointment("appointment.completed"), nobody, nobody},
		{appointment("appointment.no_show"), append(both("pat", "normal", "appointment"), both("doc", "normal", "appointment")...), nobody},
		{bill("billing.invoice_issued"), both("pat", "normal", "billing"), nobody},
		{bill("billing.refund_made"), both("pat", "normal", "billing"), nobody},
	} {
		b.handle(c.event)
		require.Equal(t, c.told, b.told(c.event), c.event.Type)
		require.Equal(t, c.not, b.not(c.event), c.event.Type)
		require.Len(t, b.jobs(c.event), len(c.told), c.event.Type)
	}
	require.Equal(t, []string{"push 1", "email 1", "push 1", "email 1"}, b.jobs(b.lastOf("ehr.lab_report.critical")))
}

func TestPlanner_PlansWhatARuleTestSays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	src := "rules:\n" +
		"  - {name: staff, on: ehr.*.created, recipients: [{role: [nurse, doctor], unless: recipient.id == event.actorid}, {user: data.userId}], channels: [whatsapp, email], fallback: [push], priority: bulk}\n" +
		aRule("patient", "ehr.*.created", "    channels: [email, push]\n    priority: high\n")
	b.rules(src)
	people := []ruletest.Person{{Name: "pat"}, {Name: "doc", Roles: []care.Role{care.Doctor}}, {Name: "zoe", Roles: []care.Role{care.Nurse}}, {Name: "abe", Roles: []care.Role{care.Nurse}}}
	for i := range people {
		people[i].ID, people[i].NoPhone = b.user(people[i].Name, people[i].Roles...), true
	}
	for i := range people[1:] {
		people[1+i].OnCareTeam = true
		b.team(people[0].ID, people[1+i].ID)
	}
	b.exec(`DELETE FROM devices WHERE user_id = $1`, people[2].ID)
	people[2].NoDevice = true
	b.exec(`UPDATE users SET email_verified = false WHERE id = $1`, people[3].ID)
	people[3].EmailUnverified = true
	b.exec(`INSERT INTO preferences (user_id, category, channel, enabled) VALUES ($1, 'clinical', 'push', false)`, people[0].ID)
	people[0].Off = []string{"clinical/push"}

	e := b.record("ehr.lab_report.created", people[0].ID, people[1].ID)
	b.handle(e)
	planned := append(b.texts(`
		SELECT format('%s %s %s: %s', u.given_name, d.channel, CASE d.state WHEN 'queued' THEN d.priority ELSE 'not' END, d.reason)
		FROM deliveries AS d JOIN users AS u ON u.id = d.recipient_id WHERE d.event_id = $1 ORDER BY d.id`, e.ID), b.texts(`
		SELECT format('%s %s not by %s: %s', u.given_name, coalesce(d.channel, '-'), d.rule, d.reason)
		FROM decisions AS d JOIN users AS u ON u.id = d.recipient_id WHERE d.event_id = $1 ORDER BY d.id`, e.ID)...)
	require.Len(t, planned, 11)
	ruletest.Plan(t, []byte(src), e, ruletest.People(people...), ruletest.Channels("email", "push", "sms")).Require(t, planned...)
}

// lastOf gives the event of the type that was planned last.
func (b *bundle) lastOf(typ string) event.Event {
	b.tb.Helper()
	return event.Event{ID: one[uuid.UUID](b, `SELECT event_id FROM notifications WHERE event_type = $1 ORDER BY event_position DESC LIMIT 1`, typ)}
}

func TestPlanner_GivesEachReasonForNotTelling(t *testing.T) {
	t.Parallel()
	b := setup(t)
	doctor := b.user("doc", care.Doctor)
	const emailOnly = "    channels: [email]\n"
	for _, c := range []struct {
		name    string
		rules   string
		prepare func(patient uuid.UUID)
		told    []string
		not     []string
	}{
		{
			"a device is missing", toPatient("ehr.*.created", "    channels: [push]\n"),
			func(id uuid.UUID) { b.exec(`DELETE FROM devices WHERE user_id = $1`, id) },
			[]string{"pat1 push suppressed normal: no_address"},
			nil,
		},
		{
			"the address is not verified", toPatient("ehr.*.created", emailOnly),
			func(id uuid.UUID) { b.exec(`UPDATE users SET email_verified = false WHERE id = $1`, id) },
			[]string{"pat2 email suppressed normal: address_unverified"},
			nil,
		},
		{
			"the rule allows an unverified address", toPatient("ehr.*.created", emailOnly+"    unverified: true\n"),
			func(id uuid.UUID) { b.exec(`UPDATE users SET email_verified = false WHERE id = $1`, id) },
			[]string{"pat3 email queued normal: rule one"},
			nil,
		},
		{
			"the phone number is not verified", toPatient("ehr.*.created", "    channels: [sms]\n"),
			func(id uuid.UUID) { b.exec(`UPDATE users SET phone = '+15550100001' WHERE id = $1`, id) },
			[]string{"pat4 sms suppressed normal: address_unverified"},
			nil,
		},
		{
			"the preference is off", toPatient("ehr.*.created", "    channels: [email, push]\n"),
			func(id uuid.UUID) {
				b.exec(`INSERT INTO preferences (user_id, category, channel, enabled) VALUES ($1, 'clinical', 'email', false), ($1, 'billing', 'push', false)`, id)
			},
			[]string{"pat5 email suppressed normal: preference_off", "pat5 push queued normal: rule one"},
			nil,
		},
		{
			"critical is not silenced", toPatient("ehr.*.created", emailOnly+"    priority: critical\n"),
			func(id uuid.UUID) {
				b.exec(`INSERT INTO preferences (user_id, category, channel, enabled) VALUES ($1, 'clinical', 'email', false)`, id)
			},
			[]string{"pat6 email queued critical: rule one"},
			nil,
		},
		{
			"the rule's own category counts", toPatient("ehr.*.created", emailOnly+"    category: billing\n"),
			func(id uuid.UUID) {
				b.exec(`INSERT INTO preferences (user_id, category, channel, enabled) VALUES ($1, 'billing', 'email', false)`, id)
			},
			[]string{"pat7 email suppressed normal: preference_off"},
			nil,
		},
		{
			"the channel is not configured", toPatient("ehr.*.created", "    channels: [whatsapp]\n"), nil,
			[]string{"pat8 whatsapp suppressed normal: channel_not_configured"},
			nil,
		},
		{
			"the account is disabled", toPatient("ehr.*.created", emailOnly),
			func(id uuid.UUID) { b.exec(`UPDATE users SET status = 'disabled' WHERE id = $1`, id) },
			nil,
			[]string{"one pat9 -: user_disabled"},
		},
		{
			"the person has died", toPatient("ehr.*.created", emailOnly),
			func(id uuid.UUID) { b.exec(`UPDATE users SET deceased_on = '2026-01-31' WHERE id = $1`, id) },
			nil,
			[]string{"one pat10 -: deceased"},
		},
		{
			"the person has no email address", toPatient("ehr.*.created", emailOnly),
			func(id uuid.UUID) { b.exec(`UPDATE users SET email = NULL, email_verified = false WHERE id = $1`, id) },
			[]string{"pat11 email suppressed normal: no_address"},
			nil,
		},
		{
			"nobody holds the role", "rules: [{name: one, on: ehr.*.created, recipients: [{role: [nurse, receptionist]}], channels: [email]}]", nil,
			nil,
			[]string{"one - -: nobody_in_role"},
		},
		{
			"unless", "rules: [{name: one, on: ehr.*.created, recipients: [{role: [doctor], unless: recipient.id == event.actorid}], channels: [email]}]", nil,
			nil,
			[]string{"one doc -: unless"},
		},
		{
			"unless for one recipient, named by another", "rules: [{name: one, on: ehr.*.created, recipients: [{role: [doctor], unless: recipient.role == 'doctor'}, {user: data.doctorId}], channels: [email]}]", nil,
			[]string{"doc email queued normal: rule one"},
			nil,
		},
		{
			"unless that fails", "rules: [{name: one, on: ehr.*.created, recipients: [{role: [doctor], unless: int(recipient.id) > 0}], channels: [email]}]", nil,
			nil,
			[]string{"one doc -: condition_failed"},
		},
		{
			"when that is false", toPatient("ehr.*.created", emailOnly+"    when: data.status == 'draft'\n"), nil,
			nil, nil,
		},
	} {
		b.rules(c.rules)
		patient := b.user(fmt.Sprintf("pat%d", one[int64](b, `SELECT count(*) FROM users WHERE given_name LIKE 'pat%'`)+1))
		if c.prepare != nil {
			c.prepare(patient)
		}
		e := b.record("ehr.lab_report.created", patient, doctor)
		b.handle(e)
		require.Equal(t, c.told, b.told(e), c.name)
		require.Equal(t, c.not, b.not(e), c.name)
	}
}

func TestPlanner_SaysWhenAnEventNamesNobodyItKnows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(`
rules:
  - {name: person, on: user.updated, recipients: [{user: data.userId}], channels: [email]}
  - {name: program, on: user.updated, recipients: [{actor: true}], channels: [email]}
  - {name: place, on: user.updated, recipients: [{role: [doctor]}], channels: [email]}
`)
	stranger := newID()
	e := b.account("user.updated", stranger)
	b.handle(e)
	require.Equal(t, []string{"program - -: nobody_named", "place - -: no_clinic", "person ? -: unknown_user"}, b.not(e))
	require.Equal(t, stranger, one[uuid.UUID](b, `SELECT recipient_id FROM decisions WHERE rule = 'person'`))
	require.Empty(t, b.announced(e))
}

func TestPlanner_LetsThePriorityWinThenTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules("rules:\n" +
		aRule("bulky", "ehr.*.created", "    channels: [push, email, sms]\n    priority: bulk\n") +
		aRule("first", "ehr.*.created", "    channels: [email]\n") +
		aRule("second", "ehr.*.created", "    channels: [email, push]\n    category: billing\n") +
		aRule("urgent", "ehr.*.created", "    channels: [push]\n    priority: high\n    template: other\n"))
	patient := b.user("pat")
	e := b.record("ehr.lab_report.created", patient, b.user("doc"))
	b.handle(e)
	require.Equal(t, []string{
		"pat push queued high: rule urgent", "pat email queued normal: rule first", "pat sms suppressed bulk: no_address",
	}, b.told(e))
	require.Equal(t, []string{
		"second pat email: duplicate_of:first", "second pat push: duplicate_of:urgent",
		"bulky pat push: duplicate_of:urgent", "bulky pat email: duplicate_of:first",
	}, b.not(e))
	require.Equal(t, []string{"push 2", "email 3"}, b.jobs(e))
	require.Equal(t, "urgent high other clinical", one[string](b, `SELECT concat_ws(' ', rule, priority, template, category) FROM notifications WHERE event_id = $1`, e.ID))
	require.Equal(t, []string{"notification.planned pat: push queued email queued sms suppressed"}, b.announced(e))
}

func TestPlanner_TriesTheFallbacksOfAChannelThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules("rules:\n" + aRule("one", "ehr.*.created", "    channels: [push]\n    fallback: [whatsapp, email, sms]\n"))
	doctor := b.user("doc")
	withDevice, without, unreachable := b.user("with"), b.user("without"), b.user("unreachable")
	b.exec(`DELETE FROM devices WHERE user_id = ANY($1)`, []uuid.UUID{without, unreachable})
	b.exec(`UPDATE users SET email_verified = false WHERE id = $1`, unreachable)
	fallbacks := func(e event.Event) []string {
		return b.texts(`SELECT channel || ' ' || array_to_string(fallback, ' ') FROM deliveries WHERE event_id = $1 ORDER BY id`, e.ID)
	}

	e := b.record("ehr.lab_report.created", withDevice, doctor)
	b.handle(e)
	require.Equal(t, []string{"with push queued normal: rule one"}, b.told(e))
	require.Equal(t, []string{"push whatsapp email sms"}, fallbacks(e), "left for a failure when it is sent")

	e = b.record("ehr.lab_report.created", without, doctor)
	b.handle(e)
	require.Equal(t, []string{
		"without push suppressed normal: no_address", "without whatsapp suppressed normal: channel_not_configured",
		"without email queued normal: fallback for push, rule one",
	}, b.told(e))
	require.Equal(t, []string{"push ", "whatsapp ", "email sms"}, fallbacks(e))

	e = b.record("ehr.lab_report.created", unreachable, doctor)
	b.handle(e)
	require.Equal(t, []string{
		"unreachable push suppressed normal: no_address", "unreachable whatsapp suppressed normal: channel_not_configured",
		"unreachable email suppressed normal: address_unverified", "unreachable sms suppressed normal: no_address",
	}, b.told(e))
	require.Empty(t, b.jobs(e))
	require.Equal(t, []string{"notification.suppressed unreachable: push suppressed whatsapp suppressed email suppressed sms suppressed"}, b.announced(e))
}

func TestPlanner_EndsTheFallbacksWhereThePersonIsToldAlready(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules("rules:\n" +
		aRule("one", "ehr.*.created", "    channels: [push]\n    fallback: [email, sms]\n    priority: high\n") +
		aRule("two", "ehr.*.created", "    channels: [email]\n"))
	patient := b.user("pat")
	b.exec(`DELETE FROM devices`)
	e := b.record("ehr.lab_report.created", patient, b.user("doc"))
	b.handle(e)
	require.Equal(t, []string{"pat push suppressed high: no_address", "pat email queued normal: rule two"}, b.told(e))
}

func TestPlanner_HidesImportedEventsUnlessARuleAsksForThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules("rules:\n" + aRule("live", "ehr.*.created", "    channels: [email]\n") + aRule("history", "ehr.*.created", "    channels: [push]\n    imported: true\n"))
	e := b.record("ehr.lab_report.created", b.user("pat"), b.user("doc"))
	e.Imported = true
	b.handle(e)
	require.Equal(t, []string{"pat push queued normal: rule history"}, b.told(e))
	require.False(t, one[bool](b, `SELECT imported FROM outbox WHERE cause_id = $1`, e.ID), "the message is no history")
}

func TestPlanner_PlansNothingForWhatItSaidItself(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(toPatient("**", "    channels: [email]\n"))
	patient := b.user("pat")
	cmd := care.Command{Actor: care.SystemActor("dispatch")}
	e := b.at(event.New(cmd, "notification.planned", care.Ref{Kind: "notification", ID: newID()}, event.Notification{UserID: patient}).About(cmd, patient, nil))
	b.handle(e)
	require.Empty(t, b.told(e))
	require.Empty(t, b.not(e))
}

func TestPlanner_GoesOnPastARuleThatFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules("rules:\n" +
		aRule("poison", "user.updated", "    channels: [email]\n    when: has(data.changed) && data.changed[7] == 'x'\n") +
		aRule("whole", "user.updated", "    channels: [email]\n"))
	patient := b.user("pat")
	bad, good := b.account("user.updated", patient, "email"), b.account("user.updated", patient)
	b.handle(bad, good)
	require.Equal(t, []string{"poison - -: condition_failed"}, b.not(bad))
	require.Equal(t, []string{"pat email queued normal: rule whole"}, b.told(bad))
	require.Equal(t, []string{"pat email queued normal: rule whole"}, b.told(good))
	require.Empty(t, b.not(good))
}

func TestPlanner_AddsNothingWhenItPlansTheSameEventsAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(string(rule.Default()))
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	b.team(patient, b.user("nina", care.Nurse))
	var batch []event.Event
	for range 20 {
		batch = append(batch, b.record("ehr.prescription.created", patient, doctor))
	}
	b.handle(batch...)
	before := b.counts()
	require.Equal(t, map[string]int64{"notifications": 60, "deliveries": 120, "decisions": 40, "river.river_job": 120, "outbox": 61}, before)

	b.handle(batch...)
	b.handle(batch[3:7]...)
	require.Equal(t, before, b.counts())

	// Also when the directory says something else by now: what was decided stands.
	b.team(patient, b.user("new", care.Nurse))
	b.exec(`DELETE FROM devices`)
	b.exec(`UPDATE users SET status = 'disabled' WHERE given_name = 'nina'`)
	b.handle(batch[0])
	require.Equal(t, before["notifications"]+1, b.counts()["notifications"], "the new nurse was not told before")
	require.Len(t, b.told(batch[0]), 6+2)
}

func (b *bundle) counts() map[string]int64 {
	b.tb.Helper()
	counts := map[string]int64{}
	for _, table := range []string{"notifications", "deliveries", "decisions", "river.river_job", "outbox"} {
		counts[table] = one[int64](b, "SELECT count(*) FROM "+table)
	}
	return counts
}

func TestPlanner_PlansOnceWhenManyPlanTheSameEventsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(string(rule.Default()))
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	b.team(patient, doctor)
	var batch []event.Event
	for range 60 {
		batch = append(batch, b.record("ehr.prescription.created", patient, doctor))
	}
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		planner := b.newPlanner()
		wg.Go(func() { errs[i] = b.tryHandle(t.Context(), planner, batch[i*2:50+i*2]...) }) // They overlap, and are not the same.
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, map[string]int64{"notifications": 120, "deliveries": 240, "decisions": 120, "river.river_job": 240, "outbox": 121}, b.counts())
	require.Equal(t, int64(240), one[int64](b, `SELECT count(DISTINCT args->>'deliveryId') FROM river.river_job`))
}

func TestPlanner_AnnouncesWhatItPlannedWithItsCause(t *testing.T) {
	t.Parallel()
	b := setup(t)
	version := b.rules(toPatient("ehr.*.created", "    channels: [email]\n"))
	patient := b.user("pat")
	e := b.record("ehr.lab_report.created", patient, b.user("doc"))
	b.handle(e)
	notification := one[uuid.UUID](b, `SELECT id FROM notifications WHERE event_id = $1`, e.ID)
	delivery := one[uuid.UUID](b, `SELECT id FROM deliveries WHERE event_id = $1`, e.ID)
	require.Equal(t, "notification.planned notification/"+notification.String()+" system:dispatch system req-1 "+*e.Traceparent, one[string](b, `
		SELECT concat_ws(' ', type, subject, actor_id, actor_role, correlation_id, traceparent) FROM outbox WHERE cause_id = $1`, e.ID))
	require.Equal(t, "req-1 "+*e.Traceparent, one[string](b, `SELECT concat_ws(' ', correlation_id, traceparent) FROM deliveries WHERE id = $1`, delivery))
	require.True(t, one[bool](b, `SELECT person_id = $2 AND clinic_id = $3 FROM outbox WHERE cause_id = $1`, e.ID, patient, b.clinic))
	var data event.Notification
	require.NoError(t, json.Unmarshal(one[[]byte](b, `SELECT data FROM outbox WHERE cause_id = $1`, e.ID), &data))
	require.Equal(t, event.Notification{
		NotificationID: notification, UserID: patient, Rule: "one", RuleVersion: version,
		Channels: []event.ChannelDecision{{Channel: "email", DeliveryID: delivery, State: "queued", Reason: "rule one"}},
	}, data)
}

func TestPlanner_PutsNothingButIdsIntoJobsEventsAndLogs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(string(rule.Default()))
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	b.exec(`UPDATE users SET phone = '+15550100001', family_name = 'Zimmermann'`)
	b.handle(b.record("ehr.prescription.created", patient, doctor))
	require.Equal(t, int64(4), one[int64](b, `SELECT count(*) FROM river.river_job`))
	require.Equal(t, int64(4), one[int64](b, `
		SELECT count(*) FROM river.river_job AS j JOIN deliveries AS d ON j.args = jsonb_build_object('deliveryId', d.id)`), "the arguments are the delivery's id alone")
	written := one[string](b, `SELECT string_agg(o::text, ' ') FROM outbox AS o`) + one[string](b, `SELECT string_agg(j::text, ' ') FROM river.river_job AS j`) +
		one[string](b, `SELECT string_agg(d::text, ' ') FROM deliveries AS d`) + one[string](b, `SELECT string_agg(d::text, ' ') FROM decisions AS d`) + b.log.String()
	for _, private := range []string{"pat@", "clinic.example", "Zimmermann", "+1555", "token-"} {
		require.NotContains(t, written, private)
	}
}

func TestPlanner_PlansNothingBeforeTheFirstPublication(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.record("ehr.lab_report.created", b.user("pat"), b.user("doc"))
	b.handle(e)
	require.Empty(t, b.told(e))
}

func TestPlanner_SwitchesTheSetAtThePositionOfItsPublication(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat"), b.user("doc")
	b.rules(toPatient("ehr.*.created", "    channels: [email]\n"))
	next, err := b.publish(toPatient("ehr.*.created", "    channels: [push]\n"))
	require.NoError(t, err)
	before := b.record("ehr.lab_report.created", patient, doctor)
	switching := b.published(next)
	after := b.record("ehr.lab_report.created", patient, doctor)
	late := b.record("ehr.lab_report.created", patient, doctor)
	again := b.published(next - 1)
	last := b.record("ehr.lab_report.created", patient, doctor)
	b.handle(before, switching, after, again, last)
	require.Equal(t, []string{"pat email queued normal: rule one"}, b.told(before))
	require.Equal(t, []string{"pat push queued normal: rule one"}, b.told(after))
	require.Equal(t, []string{"pat email queued normal: rule one"}, b.told(last))

	// An event that was passed over and is planned later gets the set of its own position, in a new process too.
	require.NoError(t, b.tryHandle(t.Context(), b.newPlanner(), late))
	require.Equal(t, []string{"pat push queued normal: rule one"}, b.told(late))
	b.handle(switching)
	require.Equal(t, int64(3), one[int64](b, `SELECT count(*) FROM rule_publications`))
}

func TestPlanner_KeepsItsPlaceWhenItDoesNotUnderstandTheSet(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO rule_sets (version, source, checksum, published_by) VALUES (1, 'rules: [{escalate: now}]', '\x00', 'newer')`)
	published := b.published(1)
	e := b.record("ehr.lab_report.created", b.user("pat"), b.user("doc"))
	err := b.tryHandle(t.Context(), b.planner, published, e)
	require.Equal(t, care.Unavailable, care.CodeOf(err))
	require.True(t, postgres.Transient(err), "the follower must not pass over what comes after")
	require.ErrorContains(t, err, "rule set version 1 is not understood by this binary")
	var held *ledger.BlockedError
	require.ErrorAs(t, err, &held)
	require.Equal(t, e.Position, held.Position, "what comes before it depends on nothing")
	require.Error(t, b.tryHandle(t.Context(), b.planner, published, e))
	require.Equal(t, 1, strings.Count(b.log.String(), "rule set not understood"), "it is told of once")
	require.Zero(t, one[int64](b, `SELECT count(*) FROM rule_publications`))

	b.handle(published)
	b.exec(`UPDATE rule_sets SET source = $1`, toPatient("ehr.**", "    channels: [push]\n"))
	b.handle(e)
	require.Equal(t, []string{"pat push queued normal: rule one"}, b.told(e), "the source was mended")
}

func TestPlanner_SetsAsideWhatABrokenSetIsForOnceANewerOneWasPublished(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat"), b.user("doc")
	b.exec(`INSERT INTO rule_sets (version, source, checksum, published_by) VALUES (1, 'rules: [{escalate: now}]', '\x00', 'newer')`)
	b.handle(b.published(1))
	broken := b.record("ehr.lab_report.created", patient, doctor)
	b.exec(`INSERT INTO rule_sets (version, source, checksum, published_by) VALUES (2, 'rules: [{digest: now}]', '\x01', 'newer')`)
	require.True(t, postgres.Transient(b.tryHandle(t.Context(), b.planner, broken)), "the newer one is not understood either: a newer binary is to take over")
	b.exec(`DELETE FROM rule_sets WHERE version = 2`)

	version, err := b.publish(toPatient("ehr.**", "    channels: [push]\n"))
	require.NoError(t, err)
	err = b.tryHandle(t.Context(), b.planner, broken)
	require.Equal(t, care.Conflict, care.CodeOf(err))
	require.False(t, postgres.Transient(err), "the follower passes it over")
	require.Equal(t, "refused: conflict rule set version 1", postgres.SafeError(err), "what an operator reads in follower_failures")
	b.handle(b.published(version))
	after := b.record("ehr.lab_report.created", patient, doctor)
	b.handle(after)
	require.Equal(t, []string{"pat push queued normal: rule one"}, b.told(after))
	require.Empty(t, b.told(broken))
}

func TestPlanner_BlamesTheEventThatPublishesWhatIsNotStored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, version := range []int32{0, 7} {
		err := b.tryHandle(t.Context(), b.planner, b.published(version))
		require.Error(t, err)
		require.False(t, postgres.Transient(err))
	}
}
