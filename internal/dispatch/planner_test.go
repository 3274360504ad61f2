package dispatch_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
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
		data := event.Appointment{AppointmentID: newID(), UserID: patient, ClinicID: b.clinic, DoctorID: doctor, Status: "booked", StartsAt: "2046-12-01T09:00:00Z"}
		return b.at(event.New(cmd, typ, care.Ref{Kind: "appointment", ID: data.AppointmentID}, data).About(cmd, patient, &b.clinic))
	}
	bill := func(typ string) event.Event {
		data := event.Billing{InvoiceID: newID(), UserID: patient, ClinicID: b.clinic, Status: "open"}
		if typ != "billing.refund_made" {
			return b.at(event.New(cmd, typ, care.Ref{Kind: "invoice", ID: data.InvoiceID}, data.Due("2046-12-31")).About(cmd, patient, &b.clinic))
		}
		return b.at(event.New(cmd, typ, care.Ref{Kind: "invoice", ID: data.InvoiceID}, data).About(cmd, patient, &b.clinic))
	}
	both := func(name, priority, rule string) []string {
		return []string{name + " push queued " + priority + ": rule " + rule, name + " email queued " + priority + ": rule " + rule}
	}
	later := func(rule string, labels ...string) (all []string) {
		for _, label := range labels {
			all = append(all, "pat push planned normal: rule "+rule+"/"+label, "pat email planned normal: rule "+rule+"/"+label)
		}
		return all
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
		{
			appointment("appointment.booked"),
			slices.Concat(both("pat", "normal", "appointment"), both("doc", "normal", "appointment"), later("appointment-reminder", "24h-before-startsAt", "1h-before-startsAt")), nobody,
		},
		{appointment("appointment.requested"), append(both("pat", "normal", "appointment-requested"), both("rita", "normal", "appointment-to-desk")...), nobody},
		{appointment("appointment.checked_in"), nobody, nobody},
		{appointment("appointment.completed"), nobody, nobody},
		{appointment("appointment.no_show"), append(both("pat", "normal", "appointment"), both("doc", "normal", "appointment")...), nobody},
		{
			bill("billing.invoice_issued"),
			append(both("pat", "normal", "billing"), later("invoice-reminder", "3d-before-dueOn", "1d-after-dueOn", "7d-after-dueOn")...), nobody,
		},
		{bill("billing.invoice_overdue"), later("invoice-overdue", "1d-after-dueOn", "7d-after-dueOn"), nobody},
		{bill("billing.refund_made"), both("pat", "normal", "billing"), nobody},
	} {
		b.handle(c.event)
		require.Equal(t, c.told, b.told(c.event), c.event.Type)
		require.Equal(t, c.not, b.not(c.event), c.event.Type)
		queued := slices.DeleteFunc(slices.Clone(c.told), func(line string) bool { return !strings.Contains(line, " queued ") })
		require.Len(t, b.jobs(c.event), len(queued), c.event.Type)
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
	b.exec(`INSERT INTO preferences (user_id, category, channel, setting) VALUES ($1, 'clinical', 'push', 'off')`, people[0].ID)
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

// lastOf returns the event of the type that was planned last.
func (b *bundle) lastOf(typ string) event.Event {
	b.tb.Helper()
	return event.Event{ID: one[uuid.UUID](b, `SELECT event_id FROM notifications WHERE event_type = $1 ORDER BY event_position DESC LIMIT 1`, typ)}
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
