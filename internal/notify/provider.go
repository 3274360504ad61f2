package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// ProviderConfig describes a Provider.
type ProviderConfig struct {
	// Name is the short stable name that metrics and logs use, such as "ses". Required.
	Name string
	// Notifier is its client. Required.
	Notifier Notifier
	// MaxRate is how many messages a second this process sends at most; 0 means that only the
	// provider's throttling limits it.
	MaxRate float64
	// BreakerFailures in a row open its circuit breaker, for BreakerOpen; 0 means 10, and 10
	// seconds.
	BreakerFailures uint32
	BreakerOpen     time.Duration
	// Logger logs changes of the breaker. Required.
	Logger *slog.Logger
}

// Validate returns an error for a missing Notifier or Logger, a name that is not a code, or a
// negative rate.
func (cfg ProviderConfig) Validate() error {
	switch {
	case cfg.Notifier == nil || cfg.Logger == nil:
		return errors.New("notify: a provider needs Notifier and Logger")
	case !codeForm.MatchString(cfg.Name):
		return fmt.Errorf("notify: invalid provider name %q; want a short word such as ses", cfg.Name)
	case !(cfg.MaxRate >= 0):
		return fmt.Errorf("notify: maximum rate of %s is %v; want 0 or more messages a second", cfg.Name, cfg.MaxRate)
	}
	return nil
}

// Provider is a client together with its circuit breaker and its rate limiter. A message is sent
// only after the Provider admitted it. It is safe for concurrent use, and has no goroutine.
type Provider struct {
	name     string
	notifier Notifier
	logger   *slog.Logger
	breaker  *gobreaker.TwoStepCircuitBreaker[struct{}]
	open     time.Duration
	// openUntil is when an open breaker admits the next probe, in nanoseconds since 1970.
	openUntil atomic.Int64

	mu      sync.Mutex
	limiter *limiter
	// queue holds the waiters, the most urgent first. Only the first of them watches limiter and
	// breaker.
	queue []*waiter
}

// waiter is a job that waits to be admitted.
type waiter struct {
	rank int
	// nudge wakes the first waiter in the queue.
	nudge chan struct{}
}

// errNotCalled reports to the breaker that the provider was not called.
var errNotCalled = errors.New("the provider was not called")

// NewProvider returns a Provider, or an error for an invalid ProviderConfig.
func NewProvider(cfg ProviderConfig) (*Provider, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Provider{
		name: cfg.Name, notifier: cfg.Notifier, logger: cfg.Logger,
		open: cmp.Or(cfg.BreakerOpen, 10*time.Second), limiter: newLimiter(cfg.MaxRate),
	}
	failures := cmp.Or(cfg.BreakerFailures, 10)
	p.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        cfg.Name,
		MaxRequests: halfOpenProbes,
		Timeout:     p.open,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failures },
		IsSuccessful: func(err error) bool {
			return err == nil || classify(err).Class == ClassPermanent
		},
		IsExcluded: func(err error) bool {
			return errors.Is(err, errNotCalled) || classify(err).Class == ClassThrottled
		},
		OnStateChange: p.breakerChanged,
	})
	return p, nil
}

// breakerChanged runs under the breaker's lock, and perhaps under p.mu.
func (p *Provider) breakerChanged(_ string, from, to gobreaker.State) {
	if to == gobreaker.StateOpen {
		p.openUntil.Store(time.Now().Add(p.open).UnixNano())
	}
	p.logger.Warn("provider's circuit breaker changed", "provider", p.name, "from", from.String(), "to", to.String())
}

// pass is the permission to call the provider once.
type pass struct {
	provider *Provider
	at       time.Time
	done     func(error)
	finished bool
}

// obstacle describes why nothing is admitted now.
type obstacle struct {
	breaker bool
	// wait is when to try again; 0 means at the next nudge.
	wait time.Duration
}

// admit waits until the provider may be called: until the breaker lets it through and the limiter
// has room, at most holdTimeout. Those of a lower rank (1 is the most urgent) go first, those of
// one rank in the order in which they came. It returns a pass, whose finish must be called. If the
// wait timed out, stop was closed or ctx ended, it returns nil and how long the job should snooze.
// It calls held once if the breaker is the reason for the wait.
func (p *Provider) admit(ctx context.Context, stop <-chan struct{}, rank int, held func()) (*pass, time.Duration) {
	p.mu.Lock()
	if len(p.queue) == 0 {
		if c, _ := p.try(); c != nil {
			p.mu.Unlock()
			return c, 0
		}
	}
	w := &waiter{rank: rank, nudge: make(chan struct{}, 1)}
	at := len(p.queue)
	for at > 0 && p.queue[at-1].rank > rank {
		at--
	}
	p.queue = slices.Insert(p.queue, at, w)
	p.mu.Unlock()
	return p.wait(ctx, stop, w, held)
}

func (p *Provider) wait(ctx context.Context, stop <-chan struct{}, w *waiter, held func()) (*pass, time.Duration) {
	limit, again := time.NewTimer(holdTimeout), time.NewTimer(holdTimeout)
	defer limit.Stop()
	defer again.Stop()
	reported := false
	for {
		c, o := p.admitFirst(w)
		if c != nil {
			return c, 0
		}
		if o.breaker && !reported {
			held()
			reported = true
		}
		if o.wait > 0 {
			again.Reset(o.wait)
		} else {
			again.Stop()
		}
		select {
		case <-w.nudge:
		case <-again.C:
		case <-limit.C:
			p.leave(w)
			return nil, jitter(cmp.Or(o.wait, p.open))
		case <-stop:
			p.leave(w)
			return nil, drainSnooze
		case <-ctx.Done():
			p.leave(w)
			return nil, drainSnooze
		}
	}
}

// admitFirst admits the waiter if it is the first in the queue and there is no obstacle.
func (p *Provider) admitFirst(w *waiter) (*pass, obstacle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queue[0] != w {
		return nil, obstacle{breaker: p.breaker.State() != gobreaker.StateClosed}
	}
	c, o := p.try()
	if c != nil {
		p.remove(w)
	}
	return c, o
}

// try admits a message if there is no obstacle. The caller holds the lock.
func (p *Provider) try() (*pass, obstacle) {
	now := time.Now()
	if wait := p.limiter.wait(now); wait > 0 {
		return nil, obstacle{wait: wait}
	}
	done, err := p.breaker.Allow()
	if errors.Is(err, gobreaker.ErrOpenState) {
		// The breaker admits the next one after this moment, not at it.
		return nil, obstacle{breaker: true, wait: max(time.Duration(p.openUntil.Load()-now.UnixNano()), 0) + time.Millisecond}
	}
	if err != nil {
		return nil, obstacle{breaker: true}
	}
	p.limiter.take(now)
	return &pass{provider: p, at: now, done: done}, obstacle{}
}

func (p *Provider) leave(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(w)
}

// remove removes the waiter from the queue, and wakes the first of the others. The caller holds the
// lock.
func (p *Provider) remove(w *waiter) {
	if at := slices.Index(p.queue, w); at >= 0 {
		p.queue = slices.Delete(p.queue, at, at+1)
	}
	p.nudge()
}

func (p *Provider) nudge() {
	if len(p.queue) == 0 {
		return
	}
	select {
	case p.queue[0].nudge <- struct{}{}:
	default:
	}
}

// finish reports the result of the call to breaker and limiter: errNotCalled if there was none.
// Only the first call counts.
func (c *pass) finish(receipt Receipt, err error) {
	if c == nil || c.finished {
		return
	}
	c.finished = true
	c.done(err)
	p := c.provider
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var failure *Error
	if err != nil && !errors.Is(err, errNotCalled) {
		failure = classify(err)
	}
	switch {
	case failure != nil && failure.Class == ClassThrottled:
		p.limiter.throttle(now, c.at, failure.RetryAfter)
	case receipt.Throttled:
		p.limiter.throttle(now, c.at, 0)
	case err == nil:
		p.limiter.accepted(now)
	case failure != nil && failure.Class == ClassPermanent:
		p.limiter.answered()
	}
	p.nudge()
}

// BreakerState is the state of a circuit breaker, as a metric's value.
type BreakerState int

// The states.
const (
	BreakerClosed   BreakerState = 0
	BreakerHalfOpen BreakerState = 1
	BreakerOpen     BreakerState = 2
)

// ProviderStats describes a provider as this process sees it.
type ProviderStats struct {
	// Name is ProviderConfig.Name.
	Name    string
	Breaker BreakerState
	// Rate is how many messages a second may be sent now.
	Rate float64
	// Throttled is the number of throttled calls.
	Throttled int64
	// Waiting is the number of messages that wait for the breaker or the rate.
	Waiting int
}

// Stats returns the current state of the provider.
func (p *Provider) Stats() ProviderStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := ProviderStats{Name: p.name, Rate: p.limiter.current, Throttled: p.limiter.throttled, Waiting: len(p.queue)}
	switch p.breaker.State() {
	case gobreaker.StateClosed:
		s.Breaker = BreakerClosed
	case gobreaker.StateHalfOpen:
		s.Breaker = BreakerHalfOpen
	case gobreaker.StateOpen:
		s.Breaker = BreakerOpen
	}
	return s
}
