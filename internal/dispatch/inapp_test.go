package dispatch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/dispatch"
)

// inApp returns a bundle in which rules can name inapp.
func inApp(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	channels := care.BuiltinChannels.Named("email", "push", "inapp")
	b.planner = b.newPlanner(func(cfg *dispatch.Config) { cfg.Known.Channels, cfg.Channels = care.BuiltinChannels.Names(), channels })
	return b
}

func (b *bundle) publishInApp(src string) {
	b.tb.Helper()
	wide := known
	wide.Channels = care.BuiltinChannels.Names()
	version, err := dispatch.Publish(b.tb.Context(), b.writer, care.Command{Actor: care.SystemActor("test")}, []byte(src), "", wide)
	require.NoError(b.tb, err)
	b.handle(b.published(version))
}

func TestPlanner_PlansANotificationForInAppWithoutADelivery(t *testing.T) {
	t.Parallel()
	b := inApp(t)
	b.publishInApp(toPatient("ehr.*.created", "    channels: [inapp]\n"))
	e := b.record("ehr.lab_report.created", b.user("pat"), b.user("doc"))
	b.handle(e)
	require.Empty(t, b.told(e))
	require.Empty(t, b.jobs(e))
	require.Empty(t, b.not(e))
	require.Equal(t, []string{"notification.planned pat: inapp delivered"}, b.announced(e))
	require.Equal(t, 1, one[int](b, `SELECT count(*)::integer FROM notifications WHERE event_id = $1 AND archived_at IS NULL`, e.ID))
}

func TestPlanner_KeepsNotificationsOutOfTheInboxOfPeopleWhoDoNotWantThem(t *testing.T) {
	t.Parallel()
	b := inApp(t)
	b.publishInApp("rules:\n" + aRule("one", "ehr.*.created", "    channels: [email, inapp]\n") + aRule("two", "ehr.*.updated", "    channels: [inapp]\n    priority: critical\n"))
	patient, doctor := b.user("pat"), b.user("doc")
	b.exec(`INSERT INTO preferences (user_id, category, channel, setting) VALUES ($1, 'clinical', 'inapp', 'off')`, patient)
	archived := `SELECT (archived_at IS NOT NULL)::text FROM notifications WHERE event_id = $1 AND recipient_id = $2`

	e := b.record("ehr.lab_report.created", patient, doctor)
	b.handle(e)
	require.Equal(t, []string{"pat email queued normal: rule one"}, b.told(e), "the other channels are not affected")
	require.Equal(t, []string{"one pat inapp: preference_off"}, b.not(e))
	require.Equal(t, []string{"true"}, b.texts(archived, e.ID, patient))

	urgent := b.record("ehr.lab_report.updated", patient, doctor)
	b.handle(urgent)
	require.Equal(t, []string{"false"}, b.texts(archived, urgent.ID, patient), "critical ones are always there")
}

func TestPlanner_SendsNothingAboutAnEventOlderThanTheTTL(t *testing.T) {
	t.Parallel()
	b := inApp(t)
	b.publishInApp("rules:\n" + aRule("one", "ehr.*.created", "    channels: [email, inapp]\n") + aRule("two", "ehr.*.updated", "    channels: [email]\n    priority: high\n"))
	patient, doctor := b.user("pat"), b.user("doc")
	b.planner = b.newPlanner(func(cfg *dispatch.Config) {
		cfg.Known.Channels, cfg.Channels = care.BuiltinChannels.Names(), care.BuiltinChannels.Named("email", "inapp")
		cfg.Now = func() time.Time { return time.Now().Add(25 * time.Hour) }
	})
	e := b.record("ehr.lab_report.created", patient, doctor)
	urgent := b.record("ehr.lab_report.updated", patient, doctor)
	b.handle(e, urgent)
	require.Equal(t, []string{"pat email suppressed normal: too_late"}, b.told(e))
	require.Empty(t, b.jobs(e))
	require.Equal(t, 1, one[int](b, `SELECT count(*)::integer FROM notifications WHERE event_id = $1 AND archived_at IS NULL`, e.ID), "it is in the inbox")
	require.Equal(t, []string{"pat email queued high: rule two"}, b.told(urgent))
}
