package dispatch_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/clinictest"
	"carewire/internal/dispatch"
)

// dryRun returns the decisions of a dry run: "name channel state: reason", with - for nobody and for every channel.
func (b *bundle) dryRun(source string, made dispatch.MadeUpEvent) []string {
	b.tb.Helper()
	run, err := b.planner.DryRun(b.tb.Context(), b.Worker, dispatch.DryRunRequest{Source: source, Event: &made}, known)
	require.NoError(b.tb, err)
	lines := []string{}
	for _, d := range run.Decisions {
		name := "-"
		if d.RecipientID != nil {
			name = one[string](b, `SELECT coalesce((SELECT given_name FROM users WHERE id = $1), 'unknown')`, *d.RecipientID)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s: %s", name, d.Channel, d.State, d.Reason))
	}
	return lines
}

func TestDryRun_DecidesAboutAMadeUpEventWithoutWriting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	patient, doctor := b.user("pat", care.Patient), b.user("doc", care.Doctor)
	b.exec(`INSERT INTO preferences (user_id, category, channel, setting) VALUES ($1, 'clinical', 'push', 'off')`, patient)
	source := "rules:\n  - {name: one, on: ehr.*.created, when: data.released, recipients: [user: data.userId, role: [doctor]], channels: [email, push]}\n"
	data := map[string]any{"userId": patient.String(), "clinicId": b.clinic.String(), "doctorId": doctor.String(), "released": true}
	require.Equal(t, []string{
		"pat email queued: rule one", "pat push suppressed: preference_off", "doc email queued: rule one", "doc push queued: rule one",
	}, b.dryRun(source, dispatch.MadeUpEvent{Type: "ehr.lab_report.created", Data: data}))
	data["released"] = false
	require.Empty(t, b.dryRun(source, dispatch.MadeUpEvent{Type: "ehr.lab_report.created", Data: data}))
	data["userId"], data["released"] = uuid.NewString(), true
	require.Contains(t, b.dryRun(source, dispatch.MadeUpEvent{Type: "ehr.lab_report.created", Data: data}), "unknown  not_sent: unknown_user")
	for _, table := range []string{"notifications", "deliveries", "decisions", "outbox", "river.river_job", "rule_sets"} {
		require.Zero(t, one[int](b, `SELECT count(*)::integer FROM `+table), table)
	}
}

func TestDryRun_RefusesWhatItCannotTry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const none = "rules: []"
	for _, c := range []struct {
		in    dispatch.DryRunRequest
		code  care.Code
		field string // Empty for none.
	}{
		{dispatch.DryRunRequest{Source: "rules: [{name: one, on: user.created, recipients: [user: data.userId], channels: [fax]}]", Event: &dispatch.MadeUpEvent{Type: "user.created"}}, care.Invalid, "channels"},
		{dispatch.DryRunRequest{Source: none}, care.Invalid, "eventId"},
		{dispatch.DryRunRequest{Source: none, EventID: newID(), Event: &dispatch.MadeUpEvent{Type: "user.created"}}, care.Invalid, "eventId"},
		{dispatch.DryRunRequest{Source: none, EventID: newID()}, care.NotFound, ""},
		{dispatch.DryRunRequest{Source: none, Event: &dispatch.MadeUpEvent{Type: "user.unheard_of"}}, care.Invalid, "event.type"},
		{dispatch.DryRunRequest{Source: none, Event: &dispatch.MadeUpEvent{Type: "notification.sent"}}, care.Invalid, "event.type"},
		{dispatch.DryRunRequest{Source: none, Event: &dispatch.MadeUpEvent{Type: "user.created", Data: map[string]any{"x": 1}}}, care.Invalid, "event.data"},
		{dispatch.DryRunRequest{Source: none, Event: &dispatch.MadeUpEvent{Type: "user.created", Data: map[string]any{"userId": "me"}}}, care.Invalid, "event.data.userId"},
	} {
		_, err := b.planner.DryRun(t.Context(), b.Worker, c.in, known)
		if c.field == "" {
			require.Equal(t, c.code, care.CodeOf(err), "%v", err)
			continue
		}
		clinictest.RequireCode(t, err, c.code, c.field)
	}
}
