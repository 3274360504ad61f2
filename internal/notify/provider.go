package notify

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
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
	// Order is when it is tried: providers of a lower order first. 0 means its position in the list of
	// the channel's providers, 1 for the first.
	Order int
	// Weight is its share of the messages among the available providers of the same order; 0 means 1.
	Weight float64
	// Logger logs changes of the breaker. Required.
	Logger *slog.Logger
}

// Validate returns an error for a missing Notifier or Logger, a name that is not a code, or a
// negative rate, order or weight.
func (cfg ProviderConfig) Validate() error {
	switch {
	case cfg.Notifier == nil || cfg.Logger == nil:
		return errors.New("notify: a provider needs Notifier and Logger")
	case !codeForm.MatchString(cfg.Name):
		return fmt.Errorf("notify: invalid provider name %q; want a short word such as ses", cfg.Name)
	case !(cfg.MaxRate >= 0):
		return fmt.Errorf("notify: maximum rate of %s is %v; want 0 or more messages a second", cfg.Name, cfg.MaxRate)
	case cfg.Order < 0:
		return fmt.Errorf("notify: order of %s is %d; want 0 or more", cfg.Name, cfg.Order)
	case !(cfg.Weight >= 0) || math.IsInf(cfg.Weight, 0):
		return fmt.Errorf("notify: weight of %s is %v; want 0 or more", cfg.Name, cfg.Weight)
	}
	return nil
}

// Provider is a client together with its circuit breaker and its rate limiter. A message is sent
// only after the Provider admitted it. It belongs to one channel. It is safe for concurrent use, and has no goroutine.
type Provider struct {
	name     string
	notifier Notifier
	logger   *slog.Logger
	breaker  *gobreaker.TwoStepCircuitBreaker[struct{}]
	open     time.Duration
	order    int
	weight   float64
	// openUntil is when an open breaker admits the next probe, in nanoseconds since 1970.
	openUntil atomic.Int64

	mu      sync.Mutex
	limiter *limiter
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
		open: cmp.Or(cfg.BreakerOpen, 10*time.Second), order: cfg.Order, weight: cmp.Or(cfg.Weight, 1), limiter: newLimiter(cfg.MaxRate),
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

// breakerChanged runs under the breaker's lock, and perhaps under those of p and of its route.
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
	// nudge wakes the first job that waits for the channel.
	nudge func()
}

// obstacle describes why a provider admits nothing now.
type obstacle struct {
	breaker bool
	// wait is when to try again; 0 means at the next nudge.
	wait time.Duration
}

// try admits a message if there is no obstacle.
func (p *Provider) try() (*pass, obstacle) {
	p.mu.Lock()
	defer p.mu.Unlock()
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

// name returns the name of the provider; empty without one.
func (c *pass) name() string {
	if c == nil {
		return ""
	}
	return c.provider.name
}

// finish reports the result of the call to breaker and limiter: errNotCalled if there was none.
// Only the first call counts.
func (c *pass) finish(receipt Receipt, err error) {
	if c == nil || c.finished {
		return
	}
	c.finished = true
	c.done(err)
	c.provider.observe(c.at, receipt, err)
	c.nudge()
}

// observe reports the result of a call that was admitted at that time to the limiter.
func (p *Provider) observe(at time.Time, receipt Receipt, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var failure *Error
	if err != nil && !errors.Is(err, errNotCalled) {
		failure = classify(err)
	}
	switch {
	case failure != nil && failure.Class == ClassThrottled:
		p.limiter.throttle(now, at, failure.RetryAfter)
	case receipt.Throttled:
		p.limiter.throttle(now, at, 0)
	case err == nil:
		p.limiter.accepted(now)
	case failure != nil && failure.Class == ClassPermanent:
		p.limiter.answered()
	}
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
	// Waiting is the number of messages that wait because no provider of the channel admits them. It
	// is the same for all of them.
	Waiting int
}

// Stats returns the current state of the provider, without its channel's waiting messages.
func (p *Provider) Stats() ProviderStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return ProviderStats{Name: p.name, Rate: p.limiter.current, Throttled: p.limiter.throttled, Breaker: p.breakerState()}
}

// breakerState returns the state of the circuit breaker.
func (p *Provider) breakerState() BreakerState {
	switch p.breaker.State() {
	case gobreaker.StateHalfOpen:
		return BreakerHalfOpen
	case gobreaker.StateOpen:
		return BreakerOpen
	case gobreaker.StateClosed:
	}
	return BreakerClosed
}
