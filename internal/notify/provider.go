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
	// MaxRate is how many messages a second this process sends at most; 0 means that only the provider's throttling limits
	// it.
	MaxRate float64
	// BreakerFailures in a row open its circuit breaker, for BreakerOpen; 0 means 10, and 10 seconds.
	BreakerFailures uint32
	BreakerOpen     time.Duration
	// Logger is told when the breaker changes. Required.
	Logger *slog.Logger
}

// Provider is a client together with its circuit breaker and its rate limiter. A message is sent only after the Provider
// admitted it. It is safe for concurrent use, and has no goroutine.
type Provider struct {
	name     string
	notifier Notifier
	logger   *slog.Logger
	breaker  *gobreaker.TwoStepCircuitBreaker[struct{}]
	open     time.Duration
	// openUntil is when an open breaker lets the next probe through, in nanoseconds since 1970.
	openUntil atomic.Int64

	mu      sync.Mutex
	limiter *limiter
	// queue holds those that wait, the most urgent first. Only the first of them watches limiter and breaker.
	queue []*waiter
}

// waiter is a job that waits to be admitted.
type waiter struct {
	rank int
	// nudge tells the first of the queue to look again.
	nudge chan struct{}
}

// errNotCalled tells the breaker that the provider was not called.
var errNotCalled = errors.New("the provider was not called")

// NewProvider returns a Provider. It refuses a name that is not a code, and a negative rate.
func NewProvider(cfg ProviderConfig) (*Provider, error) {
	switch {
	case cfg.Notifier == nil || cfg.Logger == nil:
		return nil, errors.New("notify: a provider needs Notifier and Logger")
	case !codeForm.MatchString(cfg.Name):
		return nil, fmt.Errorf("notify: invalid provider name %q; want a short word such as ses", cfg.Name)
	case !(cfg.MaxRate >= 0):
		return nil, fmt.Errorf("notify: the maximum rate of %s is %v; want 0 or more messages a second", cfg.Name, cfg.MaxRate)
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

// obstacle is why nothing is admitted now.
type obstacle struct {
	breaker bool
	// wait is when to look again; 0 means at the next nudge.
	wait time.Duration
}

// admit waits until the provider may be called: until the breaker lets it through and the limiter has room, at most
// holdTimeout. Those of a lower rank (1 is the most urgent) go first, those of one rank in the order in which they came.
// It returns a pass, of which finish must be called; or, when the wait was in vain, or stop was closed, or ctx ended, nil
// and how long to stay away. held is called once when it is the breaker that makes it wait.
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
	told := false
	for {
		c, o := p.turn(w)
		if c != nil {
			return c, 0
		}
		if o.breaker && !told {
			held()
			told = true
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

// turn lets the waiter through if it is the first of the queue and nothing is in its way.
func (p *Provider) turn(w *waiter) (*pass, obstacle) {
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

// try admits one if nothing is in its way. It needs the lock.
func (p *Provider) try() (*pass, obstacle) {
	now := time.Now()
	if wait := p.limiter.wait(now); wait > 0 {
		return nil, obstacle{wait: wait}
	}
	done, err := p.breaker.Allow()
	if errors.Is(err, gobreaker.ErrOpenState) {
		// The breaker lets the next one through after this moment, not at it.
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

// remove takes the waiter out of the queue, and has the first of the others look. It needs the lock.
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

// finish tells breaker and limiter what became of the call: errNotCalled when there was none. Only the first time counts.
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

// BreakerState is the state of a provider's circuit breaker, as metrics show it.
type BreakerState int

// The states.
const (
	BreakerClosed   BreakerState = 0
	BreakerHalfOpen BreakerState = 1
	BreakerOpen     BreakerState = 2
)

// ProviderStats describes a provider as this process sees it.
type ProviderStats struct {
	// Name is the provider's.
	Name    string
	Breaker BreakerState
	// Rate is how many messages a second may be sent now.
	Rate float64
	// Throttled is how often the provider said that it was called too often.
	Throttled int64
	// Waiting is how many messages wait for the breaker or the rate.
	Waiting int
}

// Stats returns how the provider is doing.
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
