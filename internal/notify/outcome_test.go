package notify_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
)

// lockDeliveries keeps everybody from reading and writing deliveries until the function it returns
// is called, as a migration or a failover does.
func (b *bundle) lockDeliveries() (unlock func()) {
	b.t.Helper()
	tx, err := b.db.Owner.Begin(context.WithoutCancel(b.t.Context()))
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(b.t.Context())) }) // A test that failed.
	for _, sql := range []string{`SET LOCAL idle_in_transaction_session_timeout = 0`, `LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE`} {
		_, err = tx.Exec(b.t.Context(), sql)
		require.NoError(b.t, err)
	}
	return func() {
		b.t.Helper()
		require.NoError(b.t, tx.Rollback(context.WithoutCancel(b.t.Context())))
	}
}

func TestWorker_KeepsAnOutcomeUntilItIsWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		plan   plan
		answer func(m notify.Message) (notify.Receipt, error)
		state  string
		told   string
		stop   bool
	}{
		{"accepted", plan{channel: notify.Email}, accept, "sent", "notification.sent", false},
		{"accepted while the process is about to stop", plan{channel: notify.Email}, accept, "sent", "notification.sent", true},
		{"refused, with a fallback", plan{channel: notify.Push, fallback: []string{notify.Email}}, refuse, "failed", "notification.failed", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, mail, phone := withRecorders(t)
			id := b.plan(c.plan)
			locked := make(chan func(), 1)
			answer := func(m notify.Message) (notify.Receipt, error) {
				if m.DeliveryID == id {
					locked <- b.lockDeliveries()
				}
				return c.answer(m)
			}
			if c.plan.channel == notify.Email {
				mail.Answer(answer)
			} else {
				phone.Answer(answer)
			}
			require.NoError(t, b.client.Start(context.WithoutCancel(t.Context())))
			b.enqueue(id)
			unlock := <-locked
			b.eventually(func() bool { return strings.Contains(b.logs.String(), "not written yet") }, "a first attempt at writing gives up")
			stopped := make(chan error, 1)
			stop := func() { stopped <- b.client.StopAndCancel(context.WithoutCancel(t.Context())) }
			if c.stop {
				go stop()
			}
			unlock()
			b.await(id, c.state)
			require.Equal(t, 1, b.told(c.told, id))
			require.Equal(t, 1, b.delivery(id).Attempt)
			if len(c.plan.fallback) > 0 {
				mail.Wait(t, 1)
				b.idle()
				require.Equal(t, 1, b.count(`SELECT count(*) FROM deliveries WHERE channel = 'email' AND state = 'sent'`), "the fallback")
			}
			if !c.stop {
				go stop()
			}
			require.NoError(t, <-stopped)
			require.Len(t, append(mail.Messages(), phone.Messages()...), 1+len(c.plan.fallback))
		})
	}
}

func accept(m notify.Message) (notify.Receipt, error) {
	return notify.Receipt{Provider: "recorder", ProviderID: m.DeliveryID.String()}, nil
}

func refuse(notify.Message) (notify.Receipt, error) {
	return notify.Receipt{}, notify.Permanent("INVALID_ARGUMENT")
}

func fail(notify.Message) (notify.Receipt, error) {
	return notify.Receipt{}, notify.Transient("UNAVAILABLE", 0)
}

func TestWorker_WritesALateOutcomeOverWhatOthersMadeOfItsSilence(t *testing.T) {
	t.Parallel()
	const silent = `UPDATE deliveries SET state = 'uncertain', attempt_started_at = NULL, deadline_at = now() + interval '1 minute', error_code = 'interrupted'`
	for _, c := range []struct {
		name      string
		answer    func(m notify.Message) (notify.Receipt, error)
		meanwhile string
		state     string
		sent      int
	}{
		{"yes, after uncertain", accept, silent, "sent", 1},
		{"yes, after unknown", accept, `UPDATE deliveries SET state = 'unknown', attempt_started_at = NULL`, "sent", 1},
		{"a refusal, after uncertain", refuse, silent, "failed", 0},
		{"a failure, after uncertain: it is sent again", fail, silent, "queued", 0},
		{"yes, after it was settled", accept, `UPDATE deliveries SET state = 'delivered', attempt_started_at = NULL`, "delivered", 0},
		{"yes, after it failed", accept, `UPDATE deliveries SET state = 'failed', attempt_started_at = NULL`, "failed", 0},
		{"yes, after the next attempt began", accept, `UPDATE deliveries SET attempt = 2, attempt_started_at = now()`, "queued", 0},
		{"yes, after the same attempt was given to another run", accept, `UPDATE deliveries SET claimed_by = gen_random_uuid()`, "queued", 0},
		{"yes, after a redrive", accept, `UPDATE deliveries SET state = 'queued', attempt = 2, attempt_started_at = NULL`, "queued", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, mail, _ := withRecorders(t)
			mail.Answer(func(m notify.Message) (notify.Receipt, error) {
				b.exec(c.meanwhile)
				return c.answer(m)
			})
			id := b.plan(plan{channel: notify.Email})
			b.enqueue(id)
			require.NoError(t, b.client.Start(context.WithoutCancel(t.Context())))
			mail.Wait(t, 1)
			require.NoError(t, b.client.Stop(context.WithoutCancel(t.Context())))
			require.Equal(t, c.state, b.delivery(id).State)
			require.Equal(t, c.sent, b.told("notification.sent", id))
		})
	}
}

func TestWorker_SettlesOnceWhenAnotherRunTookTheJobOfOneThatStoodStill(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		plan     plan
		before   string
		attempts int
		messages int
	}{
		{"an email is not sent again, and the late yes counts", plan{channel: notify.Email}, "uncertain", 1, 1},
		{"a critical one is sent again, and the second yes counts", plan{channel: notify.Email, priority: "critical"}, "sent", 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, mail, _ := withRecorders(t)
			first, asleep := make(chan struct{}, 1), make(chan struct{})
			first <- struct{}{}
			mail.Answer(func(m notify.Message) (notify.Receipt, error) {
				select {
				case <-first:
					<-asleep
				default:
				}
				return accept(m)
			})
			id := b.plan(c.plan)
			b.start()
			b.enqueue(id)
			mail.Wait(t, 1)
			b.exec(`UPDATE deliveries SET attempt_started_at = now() - interval '5 minutes'`)
			b.enqueue(id)
			b.await(id, c.before)
			close(asleep)
			d := b.await(id, "sent")
			b.idle()
			require.Equal(t, c.attempts, d.Attempt)
			require.Equal(t, 1, b.told("notification.sent", id))
			require.Len(t, mail.Messages(), c.messages)
			require.Zero(t, b.told("notification.failed", id))
		})
	}
}

func TestWorker_EndsWhatIsThrottledForADayWithoutAnythingElseHappening(t *testing.T) {
	t.Parallel()
	b, mail, _ := withRecorders(t)
	mail.Fail(notify.Throttled("TooManyRequestsException", 0))
	id, young := b.plan(plan{channel: notify.Email}), b.plan(plan{channel: notify.Email})
	b.exec(`UPDATE deliveries SET attempt = $1`, notify.MaxAttempts-1)
	b.exec(`UPDATE deliveries SET updated_at = now() - interval '25 hours' WHERE id = $1`, id)
	b.start()
	b.enqueue(id, young)
	require.Equal(t, "TooManyRequestsException", *b.await(id, "failed").ErrorCode)
	b.eventually(func() bool { return b.delivery(young).ErrorCode != nil }, "the other is throttled")
	require.Equal(t, notify.MaxAttempts-1, b.delivery(young).Attempt-b.count(`SELECT count(*) FROM deliveries WHERE id = $1 AND attempt_started_at IS NOT NULL`, young))
	require.Equal(t, "queued", b.delivery(young).State)
}
