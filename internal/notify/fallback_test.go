package notify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
	"carewire/internal/sandbox"
)

func TestWorker_DropsTheTokenThatTheProviderNoLongerKnowsAndFallsBack(t *testing.T) {
	t.Parallel()
	b, s := withSandbox(t)
	_, err := s.AddFault(sandbox.Fault{To: phi[3], ErrorCode: "UNREGISTERED"})
	require.NoError(t, err)
	one, two := b.plan(plan{fallback: []string{notify.SMS, notify.Email}}), b.plan(plan{})
	b.enqueue(one)
	b.start()
	d := b.await(one, "failed")
	require.Equal(t, "UNREGISTERED", *d.ErrorCode)
	require.Equal(t, 1, b.told("notification.failed", one))
	require.Zero(t, b.count(`SELECT count(*) FROM devices`))
	b.eventually(func() bool { return len(s.Messages("email")) == 1 }, "the fallback is sent")
	b.enqueue(two)
	require.Equal(t, "no_address", b.await(two, "suppressed").Reason)
	b.idle()
	require.Equal(t, 1, b.count(`SELECT count(*) FROM outbox WHERE type = 'device.removed' AND data->>'reason' = 'unregistered'`))
	require.Equal(t, 1, b.told("notification.planned", one))
	require.Equal(t, 1, b.told("notification.sent", one))
	require.Equal(t, 1, b.count(`SELECT count(*) FROM deliveries WHERE channel = 'email' AND state = 'sent' AND reason = 'fallback for push, rule record-created' AND event_id = $1`, d.EventID))
}

func TestWorker_PlansNoFallbackThatThePersonHasAlready(t *testing.T) {
	t.Parallel()
	b, mail, phone := withRecorders(t)
	phone.Answer(func(notify.Message) (notify.Receipt, error) {
		return notify.Receipt{}, notify.Permanent("INVALID_ARGUMENT")
	})
	id := b.plan(plan{fallback: []string{notify.Email}})
	b.exec(`INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, rule, template, priority)
		SELECT gen_random_uuid(), event_position, notification_id, event_id, recipient_id, 'email', 'sent', rule, template, priority FROM deliveries WHERE id = $1`, id)
	b.start()
	b.enqueue(id)
	b.await(id, "failed")
	b.idle()
	require.Empty(t, mail.Messages())
	require.Zero(t, b.told("notification.planned", id))
}

func TestWorker_FallsBackToNoChannelThatThePersonSwitchedOffUnlessItIsCritical(t *testing.T) {
	t.Parallel()
	b, mail, phone := withRecorders(t)
	phone.Answer(func(notify.Message) (notify.Receipt, error) {
		return notify.Receipt{}, notify.Permanent("INVALID_ARGUMENT")
	})
	b.exec(`INSERT INTO preferences (user_id, category, channel, setting) SELECT id, 'clinical', 'email', 'off' FROM users`)
	normal := b.plan(plan{fallback: []string{notify.Email}})
	b.start()
	b.enqueue(normal)
	b.await(normal, "failed")
	b.idle()
	require.Empty(t, mail.Messages())
	critical := b.plan(plan{priority: "critical", fallback: []string{notify.Email}})
	b.enqueue(critical)
	b.await(critical, "failed")
	require.Len(t, mail.Wait(t, 1), 1, "what is critical goes out all the same")
}

func TestWorker_LeavesAFallbackToTheSchedulerForAPersonWithQuietHoursUnlessItIsCritical(t *testing.T) {
	t.Parallel()
	b, mail, phone := withRecorders(t)
	phone.Answer(func(notify.Message) (notify.Receipt, error) {
		return notify.Receipt{}, notify.Permanent("INVALID_ARGUMENT")
	})
	b.exec(`INSERT INTO person_times (user_id, quiet_hours) SELECT id, '[{"from": "22:00", "to": "07:00"}]' FROM users`)
	normal := b.plan(plan{fallback: []string{notify.Email, notify.SMS}})
	b.start()
	b.enqueue(normal)
	b.await(normal, "failed")
	b.idle()
	require.Empty(t, mail.Messages())
	require.Equal(t, 1, b.count(`SELECT count(*) FROM deliveries AS d JOIN notifications AS n ON n.id = d.notification_id
		WHERE d.channel = 'email' AND d.state = 'planned' AND d.reason = 'fallback for push, rule record-created' AND d.fallback = '{sms}' AND n.due_at <= due_now()`), "the scheduler decides")
	require.Equal(t, 1, b.count(`SELECT count(*) FROM outbox WHERE type = 'notification.planned' AND data->'channels'->0->>'state' = 'planned'`))
	critical := b.plan(plan{priority: "critical", fallback: []string{notify.Email}})
	b.enqueue(critical)
	b.await(critical, "failed")
	require.Len(t, mail.Wait(t, 1), 1, "what is critical does not wait")
}

func TestWorker_FailsOverFromAChannelThatIsNotConfigured(t *testing.T) {
	t.Parallel()
	mail := &notifytest.Recorder{}
	b := setup(t, map[string]notify.Notifier{notify.Email: mail})
	id := b.plan(plan{channel: notify.Push, fallback: []string{notify.Email}})
	b.start()
	b.enqueue(id)
	require.Equal(t, "channel_not_configured", *b.await(id, "failed").ErrorCode)
	require.Len(t, mail.Wait(t, 1), 1, "the fallback is sent")
}
