package notify_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
)

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
	require.NotZero(t, b.observed(notify.OutcomeHeld))
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

// account is a provider's account that takes so many messages a second, and as many at once after a
// lull.
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
	require.Equal(t, a.denied, b.observed(notify.OutcomeThrottled))
	require.Equal(t, 200+notify.MaxAttempts-1, b.count(`SELECT sum(attempt) FROM deliveries`), "a delivery's attempts are those that were not throttled")
	require.Equal(t, 200, b.count(`SELECT sum(attempt) FROM river.river_job`), "River's own count too")
	require.Equal(t, 200, b.count(`SELECT count(*) FROM outbox WHERE type = 'notification.sent' AND (data->>'attempt')::integer IN (1, $1)`, notify.MaxAttempts))
	require.Zero(t, b.observed(notify.OutcomeHeld))
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
