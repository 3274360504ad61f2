package dispatch_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/event"
)

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
