package notify_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/email"
	"carewire/internal/notify/notifytest"
	"carewire/internal/notify/push"
	"carewire/internal/sandbox"
)

// withSandbox has the real SDK clients talk to a sandbox.
func withSandbox(t *testing.T) (*bundle, *sandbox.Sandbox) {
	t.Helper()
	s := sandbox.New()
	server := httptest.NewServer(s.Providers())
	credentials, err := s.ServiceAccount("carewire-sandbox", server.URL)
	require.NoError(t, err)
	mail, err := email.New(t.Context(), email.Config{
		From: "clinic@carewire.example", Region: "eu-central-1", Endpoint: server.URL, AccessKeyID: "sandbox", SecretAccessKey: "sandbox",
	})
	require.NoError(t, err)
	phone, err := push.New(t.Context(), push.Config{ProjectID: "carewire-sandbox", Endpoint: server.URL, CredentialsJSON: credentials})
	require.NoError(t, err)
	b := setup(t, map[string]notify.Notifier{notify.Email: mail, notify.Push: phone})
	t.Cleanup(func() {
		mail.Close()
		phone.Close()
		server.Close()
	})
	return b, s
}

func TestWorker_SendsOnceAndTellsOnceHoweverOftenItsJobRuns(t *testing.T) {
	t.Parallel()
	b, s := withSandbox(t)
	mail, phone := b.plan(plan{channel: notify.Email}), b.plan(plan{channel: notify.Push})
	b.start()
	b.enqueue(mail, phone)
	for _, id := range []uuid.UUID{mail, phone} {
		d := b.await(id, "sent")
		require.Equal(t, 1, d.Attempt)
		require.False(t, d.InFlight)
		require.NotNil(t, d.Provider)
	}
	b.enqueue(mail, phone, mail)
	b.eventually(func() bool {
		return b.count(`SELECT count(*) FROM river.river_job WHERE state = 'completed'`) == 5
	}, "all five jobs are done")
	require.Len(t, s.Messages("email"), 1)
	require.Equal(t, "You have a new lab report", s.Messages("email")[0].Subject)
	require.Equal(t, mail.String(), s.Messages("email")[0].DeliveryID)
	require.Len(t, s.Messages("push"), 1)
	require.Equal(t, "New lab report", s.Messages("push")[0].Title)
	require.Equal(t, 1, b.told("notification.sent", mail))
	require.Equal(t, 1, b.told("notification.sent", phone))
	require.Equal(t, 3, b.observed(notify.OutcomeRepeated))
}

func TestWorker_TellsWhomWhatAndWhy(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	id := b.plan(plan{})
	b.start()
	b.enqueue(id)
	d := b.await(id, "sent")
	var subject, person, clinic, correlation, actor, data string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(),
		`SELECT subject, person_id, clinic_id, correlation_id, actor_id, data - 'providerId' FROM outbox WHERE type = 'notification.sent' AND cause_id = $1`, d.EventID).
		Scan(&subject, &person, &clinic, &correlation, &actor, &data))
	require.Equal(t, "notification/"+d.NotificationID.String(), subject)
	require.Equal(t, b.user.String(), person)
	require.Equal(t, b.clinic.String(), clinic)
	require.Equal(t, "request-1", correlation)
	require.Equal(t, "system:notify", actor)
	require.JSONEq(t, fmt.Sprintf(`{"notificationId": %q, "deliveryId": %q, "userId": %q, "channel": "push", "rule": "record-created", "attempt": 1, "provider": "recorder"}`,
		d.NotificationID, id, b.user), data)
}

func TestWorker_TreatsAnInterruptedCallByWhatASecondCopyWouldDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		plan     plan
		repeated bool
		state    string
		sent     int
	}{
		{"a push is sent again, marked", plan{channel: notify.Push}, false, "sent", 1},
		{"a critical email is sent again, marked", plan{channel: notify.Email, priority: "critical"}, false, "sent", 1},
		{"an email waits for a receipt", plan{channel: notify.Email}, false, "uncertain", 0},
		{"nothing is sent a third time", plan{channel: notify.Push}, true, "uncertain", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, mail, phone := withRecorders(t)
			id := b.plan(c.plan)
			b.exec(`UPDATE deliveries SET attempt = 1, attempt_started_at = now() - interval '5 minutes', possible_duplicate = $2 WHERE id = $1`, id, c.repeated)
			b.start()
			b.enqueue(id)
			d := b.await(id, c.state)
			sent := append(mail.Messages(), phone.Messages()...)
			require.Len(t, sent, c.sent)
			require.False(t, d.InFlight)
			if c.sent > 0 {
				require.True(t, sent[0].PossibleDuplicate)
				require.True(t, d.PossibleDuplicate)
				require.Equal(t, 2, d.Attempt)
				return
			}
			require.True(t, d.Waits, "until a deadline")
			require.Equal(t, "interrupted", *d.ErrorCode)
			b.idle()
			require.Zero(t, b.told("notification.sent", id)+b.told("notification.failed", id))
		})
	}
}

func TestWorker_StepsBackFromACallThatMayStillBeUnderWay(t *testing.T) {
	t.Parallel()
	b, _, phone := withRecorders(t)
	id := b.plan(plan{})
	b.exec(`UPDATE deliveries SET attempt = 1, attempt_started_at = now() WHERE id = $1`, id)
	b.start()
	b.enqueue(id)
	b.eventually(func() bool { return b.count(`SELECT count(*) FROM river.river_job WHERE state = 'scheduled'`) == 1 }, "the job is snoozed")
	require.Empty(t, phone.Messages())
	require.Equal(t, 1, b.delivery(id).Attempt)
}

func TestWorker_RepeatsOnceWhatMayHaveBeenSent(t *testing.T) {
	t.Parallel()
	b, mail, phone := withRecorders(t)
	mail.Fail(notify.Uncertain("no_answer"))
	phone.Fail(notify.Uncertain("no_answer"))
	letter, push := b.plan(plan{channel: notify.Email}), b.plan(plan{channel: notify.Push})
	b.start()
	b.enqueue(letter, push)
	require.True(t, b.await(letter, "uncertain").Waits)
	require.Equal(t, 2, b.await(push, "uncertain").Attempt)
	require.Len(t, mail.Messages(), 1)
	require.Len(t, phone.Messages(), 2)
	require.False(t, phone.Messages()[0].PossibleDuplicate)
	require.True(t, phone.Messages()[1].PossibleDuplicate)
	require.Equal(t, phone.Messages()[0].CollapseKey, phone.Messages()[1].CollapseKey)
}

func TestWorker_SendsNothingToWhoMayNotOrCannotBeReached(t *testing.T) {
	t.Parallel()
	for reason, change := range map[string]string{
		"user_disabled": `UPDATE users SET status = 'disabled'`,
		"deceased":      `UPDATE users SET deceased_on = '2026-01-31'`,
		"no_address":    `DELETE FROM devices`,
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			b, mail, phone := withRecorders(t)
			id := b.plan(plan{fallback: []string{notify.Email}})
			b.exec(change)
			b.start()
			b.enqueue(id)
			d := b.await(id, "suppressed")
			require.Equal(t, reason, d.Reason)
			require.Equal(t, 1, b.told("notification.suppressed", id))
			require.Empty(t, phone.Messages())
			if reason == "no_address" {
				require.Len(t, mail.Wait(t, 1), 1, "the fallback is sent")
				return
			}
			b.idle()
			require.Empty(t, mail.Messages())
		})
	}
}

func TestWorker_FailsForGoodAfterTheLastAttempt(t *testing.T) {
	t.Parallel()
	b, _, phone := withRecorders(t)
	phone.Fail(notify.Transient("INTERNAL", 0))
	id := b.plan(plan{})
	b.exec(`UPDATE deliveries SET attempt = $2 WHERE id = $1`, id, notify.MaxAttempts-1)
	b.start()
	b.enqueue(id)
	require.Equal(t, "INTERNAL", *b.await(id, "failed").ErrorCode)
	require.Equal(t, 1, b.told("notification.failed", id))
}

func TestWorker_SendsATextMessageToThePersonsPhoneAndNothingWhereThereIsNone(t *testing.T) {
	t.Parallel()
	text := &notifytest.Recorder{}
	b := setup(t, map[string]notify.Notifier{notify.SMS: text})
	without := b.plan(plan{channel: notify.SMS})
	b.start()
	b.enqueue(without)
	b.await(without, "suppressed")
	b.exec(`UPDATE users SET phone = '+15550100001' WHERE id = $1`, b.user)
	with := b.plan(plan{channel: notify.SMS})
	b.enqueue(with)
	m := text.Wait(t, 1)[0]
	b.await(with, "sent")
	require.Equal(t, with, m.DeliveryID)
	require.Equal(t, "+15550100001", m.Phone)
	require.Equal(t, "You have a new lab report. Sign in to read it. "+m.Link, m.Text)
	require.Empty(t, m.Email)
	require.Empty(t, m.Devices)
}

func TestWorker_CommitsOutcomeAndEventTogetherOrNeither(t *testing.T) {
	t.Parallel()
	b, _, phone := withRecorders(t)
	b.exec(`ALTER TABLE outbox ADD CONSTRAINT full_up CHECK (type <> 'notification.sent')`)
	id := b.plan(plan{})
	b.start()
	b.enqueue(id)
	b.eventually(func() bool {
		return b.count(`SELECT count(*) FROM river.river_job WHERE attempt > 0 AND state = 'available'`)+b.count(`SELECT count(*) FROM river.river_job WHERE state = 'scheduled'`) == 1
	}, "the job failed")
	require.Len(t, phone.Messages(), 1)
	d := b.delivery(id)
	require.Equal(t, "queued", d.State, "no outcome without its event")
	require.True(t, d.InFlight, "and it shows that the call may have been made")
}

func TestWorker_LeavesADeliveryAloneThatAnotherRunTookOver(t *testing.T) {
	t.Parallel()
	b, _, phone := withRecorders(t)
	id := b.plan(plan{})
	phone.Answer(func(m notify.Message) (notify.Receipt, error) {
		b.exec(`UPDATE deliveries SET attempt = attempt + 1 WHERE id = $1`, m.DeliveryID)
		return notify.Receipt{Provider: "recorder", ProviderID: "1"}, nil
	})
	b.start()
	b.enqueue(id)
	b.idle()
	require.Equal(t, "queued", b.delivery(id).State)
	require.Zero(t, b.told("notification.sent", id), "no event without its outcome")
	require.Contains(t, b.logs.String(), "settled by another run")
}

func TestWorker_WritesDownWhatWasSentAlsoWhenItIsStopped(t *testing.T) {
	t.Parallel()
	b, _, phone := withRecorders(t)
	phone.Stall()
	id := b.plan(plan{})
	require.NoError(t, b.client.Start(context.WithoutCancel(t.Context())))
	b.enqueue(id)
	phone.Wait(t, 1)
	require.NoError(t, b.client.StopAndCancel(t.Context()))
	require.Equal(t, "sent", b.delivery(id).State)
	require.Equal(t, 1, b.told("notification.sent", id))
}

func TestWorker_SurvivesANotifierThatPanics(t *testing.T) {
	t.Parallel()
	b, mail, _ := withRecorders(t)
	mail.Answer(func(m notify.Message) (notify.Receipt, error) { panic("cannot send to " + m.Email) })
	id := b.plan(plan{channel: notify.Email})
	b.start()
	b.enqueue(id)
	require.Equal(t, "panic", *b.await(id, "uncertain").ErrorCode)
	b.requireNoPHI()
}
