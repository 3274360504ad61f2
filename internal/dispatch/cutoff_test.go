package dispatch_test

import (
	"testing"

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
