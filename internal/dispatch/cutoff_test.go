package dispatch_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
)

// appointments is a rule set that tells the patient of everything about their appointments.
var appointments = toPatient("appointment.*", "    channels: [email, push]\n    priority: normal\n    category: appointment\n    template: appointment\n")

// visit is an appointment of the patient; its events have versions from 1 on.
type visit struct {
	b       *bundle
	id      uuid.UUID
	patient uuid.UUID
}

// event appends the appointment's event, as the domain does, and returns it as the planner sees it.
func (v visit) event(typ string, version int64, cutsOff bool) event.Event {
	v.b.tb.Helper()
	cmd := care.Command{Actor: care.SystemActor("test")}
	e := event.New(cmd, typ, care.Ref{Kind: "appointment", ID: v.id}, event.Appointment{
		AppointmentID: v.id, UserID: v.patient, ClinicID: v.b.clinic, DoctorID: newID(), Status: "booked", StartsAt: "2027-03-15T09:00:00Z",
	}).About(cmd, v.patient, &v.b.clinic).AtVersion(version)
	e.CutsOff = cutsOff
	require.NoError(v.b.tb, postgres.InTx(v.b.tb.Context(), v.b.App, func(tx pgx.Tx) error { return outbox.Append(v.b.tb.Context(), tx, e) }))
	return v.b.at(e)
}

func (b *bundle) visit(name string) visit {
	b.tb.Helper()
	return visit{b, newID(), b.user(name, care.Patient)}
}

func TestPlanner_HeldBackSendsNothingThatBecameUntrueMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(appointments)
	v := b.visit("paula")
	booked, cancelled := v.event("appointment.booked", 1, false), v.event("appointment.cancelled", 2, true)
	other := b.visit("oskar").event("appointment.booked", 1, false)
	b.handle(booked, cancelled, other)

	require.Equal(t, []string{
		"paula email cancelled normal: cut_off:appointment.cancelled", "paula push cancelled normal: cut_off:appointment.cancelled",
	}, b.told(booked))
	require.Empty(t, b.jobs(booked))
	require.Equal(t, []string{"notification.cancelled paula: email cancelled push cancelled"}, b.announced(booked))
	require.Equal(t, []string{"paula email queued normal: rule one", "paula push queued normal: rule one"}, b.told(cancelled))
	require.Len(t, b.jobs(cancelled), 2)
	require.Len(t, b.jobs(other), 2)
	require.Equal(t, 2, one[int](b, `SELECT count(*)::integer FROM notifications WHERE recipient_id = $1 AND held_until IS NULL AND due_at IS NULL`, v.patient),
		"both are in the inbox, as history")
}

func TestPlanner_LeavesThoseSuppressedForAnotherReasonAsTheyAre(t *testing.T) {
	t.Parallel()
	b := inApp(t)
	b.publishInApp(toPatient("appointment.*", "    channels: [email, sms, inapp]\n    priority: normal\n    category: appointment\n    template: appointment\n"))
	v := b.visit("paula")
	booked, cancelled := v.event("appointment.booked", 1, false), v.event("appointment.cancelled", 2, true)
	b.handle(booked)
	b.handle(cancelled)
	require.Equal(t, []string{"paula email cancelled normal: cut_off:appointment.cancelled", "paula sms suppressed normal: channel_not_configured"}, b.told(booked))
	require.Equal(t, []string{"notification.planned paula: email cancelled sms suppressed inapp delivered"}, b.announced(booked), "the inbox has it")
}

func TestPlanner_CancelsWhatItPlannedForLaterWhileTheCutOffWasRaised(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(appointments)
	v := b.visit("paula")
	booked := v.event("appointment.booked", 1, false)
	b.handle(booked)
	// As a planner leaves it that had read the cut-offs before this one was raised.
	cancelled := v.event("appointment.cancelled", 2, true)
	b.exec(`UPDATE notifications SET due_at = now() + interval '1 day', held_until = 'infinity' WHERE event_id = $1`, booked.ID)
	b.exec(`UPDATE deliveries SET state = 'planned' WHERE event_id = $1`, booked.ID)
	b.handle(cancelled)
	require.Equal(t, []string{
		"paula email cancelled normal: cut_off:appointment.cancelled", "paula push cancelled normal: cut_off:appointment.cancelled",
	}, b.told(booked))
	require.Contains(t, b.announced(booked), "notification.cancelled paula: email cancelled push cancelled")
	require.Zero(t, one[int](b, `SELECT count(*)::integer FROM notifications WHERE due_at IS NOT NULL`))
}

func TestPlanner_TellsOfEventsWithoutAVersionAndOfTheCutOffsOwnVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(appointments)
	v := b.visit("paula")
	moved := v.event("appointment.rescheduled", 2, true)
	same := v.event("appointment.confirmed", 2, false)
	bare := same
	bare.ID, bare.SubjectVersion = newID(), nil
	bare = b.at(bare)
	b.handle(moved, same, bare)
	for _, e := range []event.Event{moved, same, bare} {
		require.Len(t, b.jobs(e), 2, e.Type)
	}
}

// retract retracts the record of an event, in a transaction of the domain's role.
func (b *bundle) retract(e event.Event) event.Event {
	b.tb.Helper()
	var data event.Record
	require.NoError(b.tb, json.Unmarshal(e.Data, &data))
	cmd := care.Command{Actor: care.Actor{ID: "author"}, CorrelationID: "req-2"}
	data.Version, data.Status = 2, "entered-in-error"
	r := event.New(cmd, "ehr.lab_report.retracted", care.Ref{Kind: "lab_report", ID: data.RecordID}, data).About(cmd, data.UserID, &b.clinic).AtVersion(2)
	r.CutsOff = true
	require.NoError(b.tb, postgres.InTx(b.tb.Context(), b.App, func(tx pgx.Tx) error { return outbox.Append(b.tb.Context(), tx, r) }))
	return r
}

// finding is a critical finding, whose event is no version of the record.
func (b *bundle) finding(patient, doctor uuid.UUID) event.Event {
	b.tb.Helper()
	e := b.record("ehr.lab_report.critical", patient, doctor)
	e.SubjectVersion, e.ActorID = nil, "system:laboratory"
	return e
}

func TestPlanner_SendsNothingAboutACriticalFindingOfARetractedRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doc, _ := b.ward()
	b.rules(urgent)
	e := b.finding(patient, doc)
	retracted := b.retract(e)
	b.handle(e, b.at(retracted))
	require.Equal(t, []string{"doc push cancelled critical: cut_off:ehr.lab_report.retracted"}, b.told(e))
	require.Empty(t, b.jobs(e))
	require.Equal(t, []string{"urgent 0 cut_off", "urgent 1 cut_off"}, b.outcomes(e), "the planner ends them when it passes the retraction")
}

func TestRetracting_EndsTheEscalationsOfACriticalFinding(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doc, _ := b.ward()
	_, err := b.publish(urgent)
	require.NoError(t, err)
	e, other := b.finding(patient, doc), b.finding(patient, doc)
	b.commit(e, other)
	b.follow()
	require.Equal(t, 1, one[int](b, `SELECT subject_version::integer FROM notifications WHERE event_id = $1`, e.ID))
	b.accept(e, 0)
	b.advance(5*time.Minute + time.Second)
	require.Equal(t, 2, b.steps())
	b.retract(e)

	require.Equal(t, []string{"urgent 0 escalated", "urgent 1 cut_off"}, b.outcomes(e), "in the transaction of the retraction")
	require.Equal(t, []string{"urgent 0 escalated", "urgent 1 open"}, b.outcomes(other))
	require.JSONEq(t, `["author", "req-2", "urgent", 1, 1, "cut_off:ehr.lab_report.retracted"]`, one[string](b, `
		SELECT jsonb_build_array(actor_id, correlation_id, data->'rule', data->'step', data->'escalationsEnded', data->'reason')::text
		FROM outbox WHERE type = 'notification.escalation_ended' AND cause_id = $1 AND subject = 'escalation/' || $1`, e.ID))
	require.Zero(t, one[int](b, `SELECT count(*)::integer FROM notifications WHERE event_id = $1 AND needs_acknowledgement`, e.ID), "there is nothing left to acknowledge")
	require.NotZero(t, one[int](b, `SELECT count(*)::integer FROM notifications WHERE event_id = $1 AND needs_acknowledgement`, other.ID))
	b.advance(time.Hour)
	require.Equal(t, 1, b.steps(), "that of the other finding")
}

func TestEscalations_EndIfTheyWerePlannedWhileTheCutOffWasRaised(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doc, _ := b.ward()
	_, err := b.publish(urgent)
	require.NoError(t, err)
	e := b.finding(patient, doc)
	b.commit(e)
	b.follow()
	b.retract(e)
	// As a planner leaves it that had read the cut-offs before this one was raised.
	b.exec(`UPDATE escalations SET done_at = NULL, outcome = NULL WHERE event_id = $1`, e.ID)
	b.exec(`DELETE FROM outbox WHERE type = 'notification.escalation_ended'`)
	b.advance(5*time.Minute + time.Second)
	require.Equal(t, 1, b.steps())
	require.Equal(t, []string{"urgent 0 cut_off", "urgent 1 open"}, b.outcomes(e))
	require.Equal(t, []string{"cut_off:ehr.lab_report.retracted"}, b.texts(`
		SELECT data->>'reason' FROM outbox WHERE type = 'notification.escalation_ended' AND cause_id = $1`, e.ID))
	require.Equal(t, []string{"doc push queued critical: rule urgent"}, b.told(e), "nobody else is told")
}

// unread is a reminder of a participant about the messages of a conversation up to a number.
func (b *bundle) unread(conversation, person uuid.UUID, number int64) event.Event {
	cmd := care.Command{Actor: care.SystemActor("chat")}
	return event.New(cmd, "chat.message_unread", care.Ref{Kind: "conversation", ID: conversation}, event.ChatUnread{
		MessageID: newID(), ConversationID: conversation, UserID: person, ClinicID: b.clinic, Number: number,
	}).About(cmd, person, &b.clinic)
}

// cutOffPerson raises a cut-off of one person, as reading does.
func (b *bundle) cutOffPerson(conversation, person uuid.UUID, version int64) {
	b.tb.Helper()
	cmd := care.Command{Actor: care.Actor{ID: person.String(), UserID: person}}
	require.NoError(b.tb, postgres.InTx(b.tb.Context(), b.App, func(tx pgx.Tx) error {
		return outbox.CutOff(b.tb.Context(), tx, cmd, outbox.PersonalCutOff{ConversationID: conversation, PersonID: person, Version: version, Cause: "read"})
	}))
}

// talk is a conversation of a patient with a doctor.
func (b *bundle) talk() (conversation, patient, doctor uuid.UUID) {
	b.tb.Helper()
	conversation, patient, doctor = newID(), b.user("pat", care.Patient), b.user("doc", care.Doctor)
	b.team(patient, doctor)
	b.exec(`INSERT INTO conversations (id, clinic_id, patient_id, subject, last_number, last_activity_at, created_at, created_by) VALUES ($1, $2, $3, '', 5, now(), now(), '')`,
		conversation, b.clinic, patient)
	b.exec(`INSERT INTO conversation_participants (conversation_id, user_id, joined_at, last_activity_at) SELECT $1, unnest($2::uuid[]), now(), now()`,
		conversation, []uuid.UUID{patient, doctor})
	return conversation, patient, doctor
}

// reminding reminds of unread messages, by push at once and by email in a digest.
const reminding = `rules:
  - name: unread
    on: chat.message_unread
    recipients: [{user: data.userId}]
    channels: [push, email]
    digest: {window: 10m, key: [recipient, category], channels: [email]}
    escalate: [{after: 5m, unless: read, to: {user: data.userId}, channels: [sms]}]
`

func TestPlanner_SendsOnePersonNothingAboutWhatTheyHaveReadMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(reminding)
	conversation, patient, doctor := b.talk()
	read, partly, others := b.at(b.unread(conversation, patient, 3)), b.at(b.unread(conversation, patient, 4)), b.at(b.unread(conversation, doctor, 3))
	b.cutOffPerson(conversation, patient, 4)
	b.handle(read, partly, others)
	require.Equal(t, []string{"pat push cancelled normal: cut_off:read", "pat email cancelled normal: cut_off:read"}, b.told(read))
	require.Equal(t, []string{"pat push queued normal: rule unread"}, b.told(partly), "one message is still unread")
	require.Equal(t, []string{"doc push queued normal: rule unread"}, b.told(others))
}

func TestReading_TakesBackWhatWaitsForTheMorningAndForADigest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.publish(reminding)
	require.NoError(t, err)
	conversation, patient, doctor := b.talk()
	b.quiet(patient, 3*time.Hour)
	b.quiet(doctor, 3*time.Hour)
	mine, others := b.unread(conversation, patient, 3), b.unread(conversation, doctor, 3)
	b.commit(mine, others)
	b.follow()
	require.Equal(t, []string{"pat push planned normal: quiet_hours"}, b.told(mine))

	b.cutOffPerson(conversation, patient, 3)
	require.Equal(t, []string{"pat push planned normal: quiet_hours"}, b.told(mine), "the newest is unread")
	b.cutOffPerson(conversation, patient, 4)
	require.Equal(t, []string{"pat push cancelled normal: cut_off:read"}, b.told(mine), "in the transaction of the reading")
	require.Contains(t, b.announced(mine), "notification.cancelled pat: push cancelled")
	require.Equal(t, patient.String(), one[string](b, `SELECT actor_id FROM outbox WHERE type = 'notification.cancelled' AND cause_id = $1`, mine.ID))
	require.Equal(t, []string{"doc push planned normal: quiet_hours"}, b.told(others))

	b.advance(4 * time.Hour)
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{"doc push queued normal: rule unread, after quiet hours"}, b.told(others))
	require.Equal(t, 2, b.close())
	require.Equal(t, []string{"pat email empty 1", "doc email sent 1"}, b.digests())
	require.ElementsMatch(t, []string{"cut_off:read", "-"}, b.leftOut())
	b.steps()
	require.Equal(t, []string{"unread 0 cut_off"}, b.outcomes(mine), "there is nothing to escalate")
	require.NotEqual(t, []string{"unread 0 cut_off"}, b.outcomes(others))
}

func TestDue_SendsOnePersonNothingThatWasPlannedWhileTheirCutOffWasRaised(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.publish(reminding)
	require.NoError(t, err)
	conversation, patient, _ := b.talk()
	b.quiet(patient, 3*time.Hour)
	e := b.unread(conversation, patient, 3)
	b.commit(e)
	b.follow()
	b.exec(`INSERT INTO subject_cutoffs (subject, recipient_id, version, cause_type) VALUES ($1, $2, 6, 'chat.participant_left')`, e.Subject, patient)
	b.advance(4 * time.Hour)
	require.Equal(t, 1, b.due())
	require.Equal(t, []string{"pat push cancelled normal: cut_off:chat.participant_left"}, b.told(e))
}
