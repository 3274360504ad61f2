package notify_test

import (
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
)

// withTwo returns a bundle in which email has the providers first and second.
func withTwo(t *testing.T) (b *bundle, first, second *notifytest.Recorder) {
	t.Helper()
	first, second = &notifytest.Recorder{}, &notifytest.Recorder{}
	b = setupProviders(t, func(logger *slog.Logger) map[string][]*notify.Provider {
		one, err := notify.NewProvider(notify.ProviderConfig{
			Name: "first", Notifier: first, Logger: logger, BreakerFailures: 3, BreakerOpen: 200 * time.Millisecond,
		})
		require.NoError(t, err)
		two, err := notify.NewProvider(notify.ProviderConfig{Name: "second", Notifier: second, Logger: logger})
		require.NoError(t, err)
		return map[string][]*notify.Provider{notify.Email: {one, two}}
	})
	return b, first, second
}

// deliver plans and sends an email, and returns its row once it is in the state.
func (b *bundle) deliver(state string) row {
	b.t.Helper()
	id := b.plan(plan{channel: notify.Email})
	b.enqueue(id)
	return b.await(id, state)
}

func (b *bundle) observedCalls() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.calls)
}

// Users of other notification services complain: "no failover between providers".
func TestFailover_ACertainNoGoesOnAtOnceToTheNextProvider(t *testing.T) {
	t.Parallel()
	for _, failure := range []*notify.Error{
		notify.Transient("connect", 0), notify.Transient("status_503", time.Hour), notify.Throttled("TooManyRequestsException", time.Hour),
		notify.Transient("AccountSuspendedException", 0),
	} {
		t.Run(failure.Code, func(t *testing.T) {
			t.Parallel()
			b, first, second := withTwo(t)
			first.Fail(failure)
			b.start()
			r := b.deliver("sent")
			require.Equal(t, 1, r.Attempt, "one attempt of the delivery")
			require.Equal(t, "second", *r.Provider)
			require.Nil(t, r.ErrorCode)
			require.False(t, r.PossibleDuplicate)
			require.Len(t, first.Messages(), 1)
			require.Equal(t, first.Messages(), second.Messages())
			require.Equal(t, map[string]int{"email first " + string(failure.Class): 1, "email second accepted": 1}, b.observedCalls())
			require.Equal(t, 1, b.told("notification.sent", r.ID))
			require.Equal(t, 1, b.count(`SELECT count(*) FROM outbox WHERE type = 'notification.sent' AND data->>'provider' = 'second'`))
		})
	}
}

func TestFailover_AnUncertainOrFinalAnswerIsNeverFollowedByAnotherProvider(t *testing.T) {
	t.Parallel()
	for state, failure := range map[string]*notify.Error{
		"uncertain": notify.Uncertain("no_answer"), "failed": notify.Permanent("MessageRejected"),
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			b, first, second := withTwo(t)
			first.Fail(failure)
			b.start()
			r := b.deliver(state)
			require.Equal(t, "first", *r.Provider)
			require.Equal(t, failure.Code, *r.ErrorCode)
			require.Len(t, first.Messages(), 1)
			require.Empty(t, second.Messages())
		})
	}
}

func TestFailover_AnUncertainAnswerOfTheSecondProviderWaits(t *testing.T) {
	t.Parallel()
	b, first, second := withTwo(t)
	first.Fail(notify.Transient("connect", 0))
	second.Fail(notify.Uncertain("no_answer"))
	b.start()
	r := b.deliver("uncertain")
	require.Equal(t, "second", *r.Provider)
	require.True(t, r.Waits)
	require.Len(t, first.Messages(), 1)
	require.Len(t, second.Messages(), 1)
}

func TestFailover_TheRowNamesTheProviderBeforeEachCall(t *testing.T) {
	t.Parallel()
	b, first, second := withTwo(t)
	var seen []string
	look := func(m notify.Message) {
		r := b.delivery(m.DeliveryID)
		require.True(t, r.InFlight)
		seen = append(seen, *r.Provider)
	}
	first.Answer(func(m notify.Message) (notify.Receipt, error) {
		look(m)
		return notify.Receipt{}, notify.Transient("connect", 0)
	})
	second.Answer(func(m notify.Message) (notify.Receipt, error) {
		look(m)
		return notify.Receipt{ProviderID: "1"}, nil
	})
	b.start()
	b.deliver("sent")
	require.Equal(t, []string{"first", "second"}, seen)
}

func TestFailover_WithoutAnotherProviderTheAttemptIsRetriedAndAThrottledOneIsNotUsedUp(t *testing.T) {
	t.Parallel()
	b, first, second := withTwo(t)
	first.Fail(notify.Throttled("TooManyRequestsException", time.Hour))
	second.Fail(notify.Transient("status_503", 0))
	b.start()
	id := b.plan(plan{channel: notify.Email})
	b.enqueue(id)
	b.eventually(func() bool { return b.observed(notify.OutcomeThrottled) == 1 }, "the attempt ends")
	r := b.delivery(id)
	require.Equal(t, "queued", r.State)
	require.Zero(t, r.Attempt, "an attempt that a provider only postponed is not used up")
	require.Equal(t, "second", *r.Provider)
	require.Equal(t, "status_503", *r.ErrorCode)

	first.Fail(notify.Transient("connect", 0))
	id = b.plan(plan{channel: notify.Email})
	b.enqueue(id)
	b.eventually(func() bool { return b.observed(notify.OutcomeRetried) >= 1 }, "the attempt ends")
	require.GreaterOrEqual(t, b.delivery(id).Attempt, 1)
}

func TestFailover_TheBreakerMovesTrafficOnAndBack(t *testing.T) {
	t.Parallel()
	b, first, second := withTwo(t)
	first.Fail(notify.Transient("status_503", 0))
	b.start()
	for range 3 {
		require.Equal(t, "second", *b.deliver("sent").Provider)
	}
	require.Len(t, first.Messages(), 3)
	require.Equal(t, notify.BreakerOpen, b.worker.Stats()[notify.Email][0].Breaker)
	require.Equal(t, "second", *b.deliver("sent").Provider)
	require.Len(t, second.Messages(), 4)

	first.Fail(nil)
	b.eventually(func() bool { return *b.deliver("sent").Provider == "first" }, "traffic is back")
	b.eventually(func() bool {
		b.deliver("sent")
		return b.worker.Stats()[notify.Email][0].Breaker == notify.BreakerClosed
	}, "the breaker closes")
}

func TestFailover_FinalAnswersAboutOneMessageDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	b, first, second := withTwo(t)
	first.Fail(notify.Permanent("MessageRejected"))
	b.start()
	for range 4 {
		require.Equal(t, "first", *b.deliver("failed").Provider)
	}
	require.Equal(t, notify.BreakerClosed, b.worker.Stats()[notify.Email][0].Breaker)
	first.Fail(nil)
	require.Equal(t, "first", *b.deliver("sent").Provider)
	require.Empty(t, second.Messages())
}

func TestFailover_AnAttemptThatAnotherRunTookOverEndsWithoutAnotherCall(t *testing.T) {
	t.Parallel()
	b, first, second := withTwo(t)
	first.Answer(func(m notify.Message) (notify.Receipt, error) {
		b.exec(`UPDATE deliveries SET claimed_by = $2 WHERE id = $1`, m.DeliveryID, newID())
		return notify.Receipt{}, notify.Transient("connect", 0)
	})
	b.start()
	id := b.plan(plan{channel: notify.Email})
	b.enqueue(id)
	first.Wait(t, 1)
	b.idle()
	require.Empty(t, second.Messages())
	require.Equal(t, "first", *b.delivery(id).Provider)
}

func TestFailover_DevicesThatAnyProviderReportsAsGoneAreRemoved(t *testing.T) {
	t.Parallel()
	first, second := &notifytest.Recorder{}, &notifytest.Recorder{}
	b := setupProviders(t, func(logger *slog.Logger) map[string][]*notify.Provider {
		all := map[string][]*notify.Provider{}
		for i, n := range []notify.Notifier{first, second} {
			p, err := notify.NewProvider(notify.ProviderConfig{Name: []string{"first", "second"}[i], Notifier: n, Logger: logger})
			require.NoError(t, err)
			all[notify.Push] = append(all[notify.Push], p)
		}
		return all
	})
	first.Answer(func(m notify.Message) (notify.Receipt, error) {
		return notify.Receipt{Gone: []uuid.UUID{m.Devices[0].ID}}, notify.Transient("UNAVAILABLE", 0)
	})
	b.start()
	id := b.plan(plan{})
	b.enqueue(id)
	b.await(id, "sent")
	require.Len(t, second.Messages(), 1)
	require.Zero(t, b.count(`SELECT count(*) FROM devices`))
}

func TestNew_RejectsProvidersOfOneNameAndTooMany(t *testing.T) {
	t.Parallel()
	logger := slog.New(slog.DiscardHandler)
	p, err := notify.NewProvider(notify.ProviderConfig{Name: "ses", Notifier: &notifytest.Recorder{}, Logger: logger})
	require.NoError(t, err)
	b, _, _ := withTwo(t)
	for want, providers := range map[string][]*notify.Provider{
		`duplicate provider name "ses"`: {p, p}, "0 providers": {}, "is nil": {nil}, "17 providers": make([]*notify.Provider, 17),
	} {
		_, err := notify.New(notify.Config{Pool: b.db.Worker, Logger: logger, Channels: map[string][]*notify.Provider{notify.Email: providers}})
		require.ErrorContains(t, err, want)
	}
}
