package notify

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// nobody is a Notifier that is never called: these tests call finish themselves.
type nobody struct{}

func (nobody) Notify(context.Context, Message) (Receipt, error) { panic("called") }

// testRoute is a route with one provider.
type testRoute struct{ *route }

// Stats returns the state of the route's provider.
func (r testRoute) Stats() ProviderStats { return r.stats()[0] }

func newTestRoute(t *testing.T, change ...func(*ProviderConfig)) *testRoute {
	t.Helper()
	return &testRoute{newRoute([]*Provider{newTestProvider(t, change...)})}
}

func newTestProvider(t *testing.T, change ...func(*ProviderConfig)) *Provider {
	t.Helper()
	cfg := ProviderConfig{Name: "test", Notifier: nobody{}, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	p, err := NewProvider(cfg)
	require.NoError(t, err)
	return p
}

// bucket is an account of a provider: it takes perSecond messages a second, after a lull as many at
// once.
type bucket struct {
	mu                sync.Mutex
	perSecond, tokens float64
	last              time.Time
	took, refused     int
}

func newBucket(perSecond float64) *bucket {
	return &bucket{perSecond: perSecond, tokens: max(1, perSecond), last: time.Now()}
}

func (b *bucket) send() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens = min(max(1, b.perSecond), b.tokens+now.Sub(b.last).Seconds()*b.perSecond)
	b.last = now
	if b.tokens < 1 {
		b.refused++
		return Throttled("TooManyRequestsException", 0)
	}
	b.tokens--
	b.took++
	return nil
}

// work sends n messages as 32 jobs of a Worker would, each of which stays away for a second after a
// refusal. It returns how long that took.
func (b *bucket) work(t *testing.T, p *testRoute, n int) time.Duration {
	t.Helper()
	began := time.Now()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range defaultMaxWorkers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				for sent := false; !sent; {
					c, away := p.admit(t.Context(), nil, 3, func() { t.Error("held by the breaker") })
					if c == nil {
						elapse(away)
						continue
					}
					elapse(50 * time.Millisecond) // The provider's answer.
					err := b.send()
					c.finish(Receipt{}, err)
					sent = err == nil
					if !sent {
						elapse(throttledDelay)
					}
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

func TestProvider_FollowsTheRateOfOneThatThrottles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		perSecond float64
		messages  int
		maximum   float64
	}{
		{"SES's first quota, without a configured maximum", 14, 600, 0},
		{"a fast provider, without a configured maximum", 400, 20_000, 0},
		{"a maximum that is half of the quota", 14, 200, 7},
		{"a maximum that is far too high", 14, 600, 1000},
		{"one message in two seconds", 0.5, 10, 0.4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newTestRoute(t, func(cfg *ProviderConfig) { cfg.MaxRate = c.maximum })
				b := newBucket(c.perSecond)
				took := b.work(t, p, c.messages) // Of virtual time.
				require.Equal(t, c.messages, b.took)
				allowed := c.perSecond
				if c.maximum > 0 {
					allowed = min(allowed, c.maximum)
				}
				t.Logf("%.1f/s of %.1f/s, %d refused, %+v", float64(c.messages)/took.Seconds(), allowed, b.refused, p.Stats())
				require.Greater(t, float64(c.messages)/took.Seconds(), 0.8*allowed, "messages a second")
				require.Less(t, b.refused, 2*defaultMaxWorkers+c.messages/20, "refused calls")
				require.Equal(t, int64(b.refused), p.Stats().Throttled)
				require.Equal(t, BreakerClosed, p.Stats().Breaker)
			})
		})
	}
}

func TestLimiter_StaysWithinItsBoundsWhateverTheAnswersAre(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(20)
		for range 50 {
			l.take(time.Now())
			elapse(time.Millisecond)
			l.throttle(time.Now(), time.Now(), 0)
			elapse(time.Millisecond)
		}
		require.InDelta(t, slowestRate, l.current, 1e-9)
		for range 1000 {
			l.accepted(time.Now())
		}
		require.InDelta(t, 20, l.current, 1e-9)
	})
}

func TestLimiter_HalvesOnceForCallsThatWereUnderWayTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(0)
		began := time.Now()
		for range 32 {
			l.take(began)
		}
		elapse(time.Millisecond)
		for range 32 {
			l.throttle(time.Now(), began, 0)
		}
		require.InDelta(t, 160, l.current, 1e-9, "half of what was really sent in a tenth of a second")
		require.EqualValues(t, 32, l.throttled)
		elapse(rateMemory + time.Millisecond)
		require.Zero(t, l.wait(time.Now()))
		require.InDelta(t, unlimitedRate, l.current, 1e-9, "forgotten after a minute without another")
	})
}

func TestProvider_PausesForTheRetryAfterOfAnAccountButNotOfOneRecipient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newTestRoute(t)
		now := time.Now()
		call := func(err error) time.Duration {
			c, _ := p.admit(t.Context(), nil, 1, func() {})
			require.NotNil(t, c)
			c.finish(Receipt{}, err)
			return time.Since(now)
		}
		for range 2 {
			call(Throttled("QUOTA_EXCEEDED", 30*time.Second))
			call(nil)
		}
		require.Less(t, call(nil), 10*time.Second, "a single device's quota is nothing to the others")
		for range pauseAfter {
			call(Throttled("QUOTA_EXCEEDED", 30*time.Second))
		}
		now = time.Now()
		require.GreaterOrEqual(t, call(nil), 30*time.Second)
	})
}

func TestProvider_LetsTheMoreUrgentPassThoseThatWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newTestRoute(t, func(cfg *ProviderConfig) { cfg.MaxRate = 1 })
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for _, rank := range []int{4, 4, 3, 4, 1, 2, 1} {
			wg.Go(func() {
				c, _ := p.admit(t.Context(), nil, rank, func() {})
				mu.Lock()
				defer mu.Unlock()
				order = append(order, rank)
				c.finish(Receipt{}, nil)
			})
			synctest.Wait()
		}
		wg.Wait()
		require.Equal(t, []int{4, 1, 1, 2, 3, 4, 4}, order, "the first found nobody before it")
	})
}

// openBreaker has ten calls fail in a row.
func openBreaker(t *testing.T, p *testRoute) {
	t.Helper()
	for range 10 {
		c, _ := p.admit(t.Context(), nil, 1, func() {})
		require.NotNil(t, c)
		c.finish(Receipt{}, Transient("status_503", 0))
	}
	require.Equal(t, BreakerOpen, p.Stats().Breaker)
}

func TestProvider_HoldsItsWaitersWhileTheBreakerIsOpenAndWakesThemWhenItCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newTestRoute(t)
		openBreaker(t, p)
		const waiters = 20
		var held, admitted, working atomic.Int64
		answer := make(chan error)
		var wg sync.WaitGroup
		for range waiters {
			wg.Go(func() {
				c, _ := p.admit(t.Context(), nil, 3, func() { held.Add(1) })
				if c == nil {
					t.Error("given up")
					return
				}
				admitted.Add(1)
				working.Add(1)
				c.finish(Receipt{}, <-answer)
				working.Add(-1)
			})
		}
		synctest.Wait()
		require.EqualValues(t, waiters, held.Load())
		require.Equal(t, waiters, p.Stats().Waiting)
		elapse(9 * time.Second)
		require.Zero(t, admitted.Load())

		elapse(2 * time.Second)
		synctest.Wait()
		require.EqualValues(t, halfOpenProbes, admitted.Load(), "probes")
		answer <- errNotCalled // A probe whose delivery was settled already: another takes its place.
		synctest.Wait()
		require.EqualValues(t, halfOpenProbes, working.Load())
		require.EqualValues(t, halfOpenProbes+1, admitted.Load())
		answer <- Throttled("SlowDown", 0) // Neither a failure nor a success.
		elapse(2 * time.Second)
		synctest.Wait()
		require.EqualValues(t, halfOpenProbes+2, admitted.Load())
		require.Equal(t, BreakerHalfOpen, p.Stats().Breaker)
		for range waiters - 2 {
			answer <- nil
			synctest.Wait()
		}
		wg.Wait()
		require.EqualValues(t, waiters, admitted.Load(), "everybody else, at once")
		require.Equal(t, BreakerClosed, p.Stats().Breaker)
		require.Zero(t, p.Stats().Waiting)
	})
}

func TestProvider_SendsAWaiterAwayAfterTheHoldTheDrainOrTheEndOfItsJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newTestRoute(t, func(cfg *ProviderConfig) { cfg.BreakerOpen = time.Hour })
		openBreaker(t, p)
		began := time.Now()
		c, away := p.admit(t.Context(), nil, 1, func() {})
		require.Nil(t, c)
		require.Equal(t, holdTimeout, time.Since(began))
		require.Greater(t, away, 10*time.Minute, "the breaker stays open for most of an hour")

		stop := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, ctx := range []context.Context{t.Context(), ctx} {
			wg.Go(func() {
				c, away := p.admit(ctx, stop, 1, func() {})
				if c != nil || away != drainSnooze {
					t.Errorf("%v, %s", c, away)
				}
			})
		}
		synctest.Wait()
		began = time.Now()
		cancel()
		close(stop)
		wg.Wait()
		require.Zero(t, time.Since(began))
		require.Zero(t, p.Stats().Waiting)
	})
}

func TestNewProvider_RefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	logger := slog.New(slog.DiscardHandler)
	for want, cfg := range map[string]ProviderConfig{
		"needs Notifier":   {Name: "ses", Logger: logger},
		"invalid provider": {Name: "a provider", Notifier: nobody{}, Logger: logger},
		"is -1; want 0":    {Name: "ses", Notifier: nobody{}, Logger: logger, MaxRate: -1},
		"is NaN; want 0":   {Name: "ses", Notifier: nobody{}, Logger: logger, MaxRate: math.NaN()},
	} {
		_, err := NewProvider(cfg)
		require.ErrorContains(t, err, want)
	}
}

// elapse lets virtual time pass: it is for synctest's bubbles alone.
func elapse(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // no real time passes
}
