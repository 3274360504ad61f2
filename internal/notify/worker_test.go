package notify_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

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
	require.Equal(t, 3, b.observed(notify.Repeated))
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
	require.JSONEq(t, fmt.Sprintf(`{"notificationId": %q, "deliveryId": %q, "userId": %q, "channel": "push", "attempt": 1, "provider": "recorder"}`,
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

func TestWorker_HoldsDeliveriesWhileAProviderIsOutAndMakesThemAllAfterwards(t *testing.T) {
	t.Parallel()
	phone := &notifytest.Recorder{}
	b := setup(t, map[string]notify.Notifier{notify.Push: fragile{phone}})
	var out atomic.Bool
	out.Store(true)
	phone.Answer(func(m notify.Message) (notify.Receipt, error) {
		if out.Load() {
			return notify.Receipt{}, notify.Transient("UNAVAILABLE", 0)
		}
		return notify.Receipt{Provider: "recorder", ProviderID: m.DeliveryID.String()}, nil
	})
	ids := make([]uuid.UUID, 30)
	for i := range ids {
		ids[i] = b.plan(plan{})
	}
	b.enqueue(ids...)
	b.exec(`CREATE TABLE job_writes (n serial)`)
	b.exec(`CREATE FUNCTION count_job_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO job_writes DEFAULT VALUES; RETURN NULL; END $$`)
	b.exec(`CREATE TRIGGER writes AFTER UPDATE ON river.river_job FOR EACH ROW EXECUTE FUNCTION count_job_write()`)
	b.start()
	// Three calls open the breaker; from then on two are let through five times a second.
	calls := len(phone.Wait(t, 20))
	writes := b.count(`SELECT count(*) FROM job_writes`)
	require.NotZero(t, b.observed(notify.Held))
	// A call's job is fetched and put back; the eight workers' jobs are fetched once and then held.
	require.LessOrEqual(t, writes, 2*(calls+8)+8, "what is held is not written again and again")
	out.Store(false)
	for _, id := range ids {
		b.await(id, "sent")
	}
	require.Equal(t, len(phone.Messages()), b.count(`SELECT sum(attempt) FROM deliveries`), "an attempt is counted for each call, and for nothing else")
	b.idle()
	require.Equal(t, len(phone.Messages()), b.count(`SELECT sum(attempt) FROM river.river_job`), "River's own count too")
	require.Contains(t, b.logs.String(), "circuit breaker")
}

// account is a provider's account that takes so many messages a second, and as many at once after a lull.
type account struct {
	mu           sync.Mutex
	rate         *rate.Limiter
	took, denied int
}

func (a *account) answer(m notify.Message) (notify.Receipt, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.rate.Allow() {
		a.denied++
		return notify.Receipt{}, notify.Throttled("TooManyRequestsException", 0)
	}
	a.took++
	return notify.Receipt{Provider: "recorder", ProviderID: m.DeliveryID.String()}, nil
}

func TestWorker_UsesUpNoAttemptAndOpensNoBreakerWhenTheProviderThrottles(t *testing.T) {
	t.Parallel()
	b, mail, _ := withRecorders(t)
	a := &account{rate: rate.NewLimiter(60, 5)}
	mail.Answer(a.answer)
	ids := make([]uuid.UUID, 200)
	for i := range ids {
		ids[i] = b.plan(plan{channel: notify.Email})
	}
	// The last one has a single attempt left.
	b.exec(`UPDATE deliveries SET attempt = $2 WHERE id = $1`, ids[199], notify.MaxAttempts-1)
	b.enqueue(ids...)
	b.start()
	b.eventually(func() bool { return b.count(`SELECT count(*) FROM deliveries WHERE state = 'sent'`) == 200 }, "all are sent")
	b.idle()
	require.Equal(t, 200, a.took)
	require.NotZero(t, a.denied, "the provider throttled")
	require.Less(t, a.denied, 100, "and was called more slowly then")
	require.Equal(t, a.denied, b.observed(notify.Slowed))
	require.Equal(t, 200+notify.MaxAttempts-1, b.count(`SELECT sum(attempt) FROM deliveries`), "a delivery's attempts are those that were not throttled")
	require.Equal(t, 200, b.count(`SELECT sum(attempt) FROM river.river_job`), "River's own count too")
	require.Equal(t, 200, b.count(`SELECT count(*) FROM outbox WHERE type = 'notification.sent' AND (data->>'attempt')::integer IN (1, $1)`, notify.MaxAttempts))
	require.Zero(t, b.observed(notify.Held))
	require.NotContains(t, b.logs.String(), "circuit breaker")
}

func TestWorker_ReleasesWhatItHoldsWhenItIsDrained(t *testing.T) {
	t.Parallel()
	phone := &notifytest.Recorder{}
	b := setup(t, map[string]notify.Notifier{notify.Push: fragile{phone}})
	phone.Fail(notify.Transient("UNAVAILABLE", 0))
	for range 12 {
		b.enqueue(b.plan(plan{}))
	}
	require.NoError(t, b.client.Start(context.WithoutCancel(t.Context())))
	b.eventually(func() bool { return b.worker.Stats()[notify.Push][0].Waiting > 0 }, "jobs are held")
	b.worker.Drain()
	b.worker.Drain()
	require.NoError(t, b.client.Stop(t.Context()))
	require.Zero(t, b.worker.Stats()[notify.Push][0].Waiting)
	require.Zero(t, b.count(`SELECT count(*) FROM river.river_job WHERE state = 'running'`))
	require.Zero(t, b.count(`SELECT count(*) FROM deliveries WHERE attempt_started_at IS NOT NULL`))
}

func TestWorker_WaitsAsLongAsTheProviderAsks(t *testing.T) {
	t.Parallel()
	const wait = 2 * time.Second
	for _, c := range []struct {
		name     string
		failure  *notify.Error
		attempts int
	}{
		{"after a failure", notify.Transient("ServiceUnavailable", wait), 2},
		{"when it throttles", notify.Throttled("TooManyRequestsException", wait), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, mail, _ := withRecorders(t)
			var first atomic.Int64
			mail.Answer(func(notify.Message) (notify.Receipt, error) {
				if first.CompareAndSwap(0, time.Now().UnixNano()) {
					return notify.Receipt{}, c.failure
				}
				return notify.Receipt{Provider: "recorder", ProviderID: "1"}, nil
			})
			id := b.plan(plan{channel: notify.Email})
			b.start()
			b.enqueue(id)
			b.eventually(func() bool { return b.delivery(id).ErrorCode != nil }, "the refusal is written down")
			d := b.delivery(id)
			require.Equal(t, "queued", d.State)
			require.False(t, d.InFlight)
			require.Equal(t, c.failure.Code, *d.ErrorCode)
			d = b.await(id, "sent")
			require.Equal(t, c.attempts, d.Attempt)
			require.Nil(t, d.ErrorCode)
			require.GreaterOrEqual(t, time.Since(time.Unix(0, first.Load())), wait)
		})
	}
}

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
	b.exec(`INSERT INTO preferences (user_id, category, channel, enabled) SELECT id, 'clinical', 'email', false FROM users`)
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

func TestWorker_KeepsPeopleOutOfJobsEventsAndLogs(t *testing.T) {
	t.Parallel()
	b, s := withSandbox(t)
	for _, f := range []sandbox.Fault{
		{Channel: "email", ErrorCode: "MessageRejected", Count: 1},
		{Channel: "email", Status: 503, Count: 2},
		{Channel: "push", ErrorCode: "INVALID_ARGUMENT", Count: 1},
		{Channel: "push", Status: 500, Count: 1},
	} {
		_, err := s.AddFault(f)
		require.NoError(t, err)
	}
	for range 4 {
		b.enqueue(b.plan(plan{channel: notify.Email}), b.plan(plan{fallback: []string{notify.Email}}))
	}
	b.start()
	b.eventually(func() bool {
		return b.count(`SELECT count(*) FROM deliveries WHERE state NOT IN ('sent', 'failed')`) == 0
	}, "all are settled")
	require.NotEmpty(t, s.Messages("push"))
	b.requireNoPHI()
	// An address in an error would be cut down to nothing.
	require.Equal(t, "unknown", notify.Permanent(phi[0]).Code)
}

// requireNoPHI looks through all that leaves the directory's tables.
func (b *bundle) requireNoPHI() {
	b.t.Helper()
	for _, table := range []string{"river.river_job", "outbox", "deliveries", "notifications"} {
		for _, secret := range phi {
			require.Zero(b.t, b.count(`SELECT count(*) FROM `+table+` AS r WHERE r::text ILIKE '%' || $1 || '%'`, secret), "%s holds %s", table, secret)
		}
	}
	for _, secret := range phi {
		require.NotContains(b.t, b.logs.String(), secret)
	}
}

func TestSweep_GivesAJobToADeliveryThatNoLiveJobCarries(t *testing.T) {
	t.Parallel()
	b, _, phone := withRecorders(t)
	lost, discarded, carried, young := b.plan(plan{}), b.plan(plan{}), b.plan(plan{}), b.plan(plan{})
	b.exec(`UPDATE deliveries SET updated_at = now() - interval '3 minutes' WHERE id <> $1`, young)
	b.enqueue(discarded, carried)
	b.exec(`UPDATE river.river_job SET state = 'discarded', finalized_at = now() WHERE args->>'deliveryId' = $1`, discarded.String())
	n, err := b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	require.Zero(t, n, "nothing is taken twice")
	b.start()
	for _, id := range []uuid.UUID{lost, discarded, carried} {
		b.await(id, "sent")
	}
	b.idle()
	require.Equal(t, "queued", b.delivery(young).State)
	require.Len(t, phone.Messages(), 3)
}

func TestSweep_FollowsAnOperatorWhoCancelledTheJob(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	id := b.plan(plan{})
	b.enqueue(id)
	b.exec(`UPDATE deliveries SET updated_at = now() - interval '3 minutes'`)
	var job int64
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT id FROM river.river_job`).Scan(&job))
	cancelled, err := b.client.JobCancel(t.Context(), job)
	require.NoError(t, err)
	require.Equal(t, rivertype.JobStateCancelled, cancelled.State)
	_, err = b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	d := b.delivery(id)
	require.Equal(t, "cancelled", d.State)
	require.Equal(t, 1, b.told("notification.failed", id))
}

func TestSweep_EndsTheWaitForAReceiptAsUnknownAndOnlyWhatIsUrgentTakesItsFallback(t *testing.T) {
	t.Parallel()
	b, mail, _ := withRecorders(t)
	fallback := []string{notify.Email}
	ids := map[string]uuid.UUID{}
	for _, priority := range []string{"critical", "high", "normal", "bulk"} {
		ids[priority] = b.plan(plan{priority: priority, fallback: fallback})
	}
	ids["without a fallback"] = b.plan(plan{priority: "critical"})
	waiting := b.plan(plan{fallback: fallback})
	b.exec(`UPDATE deliveries SET state = 'uncertain', attempt = 2, deadline_at = now() - interval '1 second'`)
	b.exec(`UPDATE deliveries SET deadline_at = now() + interval '1 minute' WHERE id = $1`, waiting)
	n, err := b.worker.Sweep(t.Context(), b.client)
	require.NoError(t, err)
	require.Equal(t, len(ids), n)
	require.Equal(t, len(ids), b.observed(notify.Unknown))
	for _, id := range ids {
		d := b.delivery(id)
		require.Equal(t, "unknown", d.State)
		require.Equal(t, "no_receipt", *d.ErrorCode)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM outbox WHERE type = 'notification.failed' AND data @> '{"state": "unknown", "code": "no_receipt"}' AND cause_id = $1`, d.EventID))
	}
	require.Equal(t, "uncertain", b.delivery(waiting).State)
	listed, err := b.deliveries(t, notify.DeliveryFilter{State: "unknown", Limit: 10})
	require.NoError(t, err)
	require.Len(t, listed, len(ids))
	b.start()
	mail.Wait(t, 2)
	b.idle()
	require.Len(t, mail.Messages(), 2)
	for _, m := range mail.Messages() {
		require.Contains(t, []string{"critical", "high"}, m.Priority)
		require.True(t, m.PossibleDuplicate, "the first may have arrived")
	}
	require.Equal(t, 2, b.count(`SELECT count(*) FROM deliveries WHERE channel = 'email' AND possible_duplicate AND reason = 'fallback for push, which may have arrived, rule record-created'`))
}
