package notify

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/sony/gobreaker/v2"
)

// MaxAttempts is how often a delivery is tried: with retryDelays, over about four hours. A message about a clinic's day
// is worth less after that, and the fallback channel is still to come.
const MaxAttempts = 12

const (
	// attemptTimeout bounds one call of a provider; FCM asks for at least 10 seconds.
	attemptTimeout = 15 * time.Second
	// jobTimeout also covers claim and settlement, and is shorter than rescueAfter, so that River never gives a job away
	// that still runs.
	jobTimeout  = 20 * time.Second
	rescueAfter = time.Minute
	// staleAfter is when an attempt that was begun cannot be under way any more.
	staleAfter = jobTimeout + 10*time.Second
	// receiptWait and receiptWaitCritical are how long an uncertain message waits for a receipt.
	receiptWait         = 10 * time.Minute
	receiptWaitCritical = time.Minute
)

// retryDelays are the waits after the first, second, … failed attempt; the last repeats.
var retryDelays = []time.Duration{
	time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	20 * time.Minute, 40 * time.Minute, time.Hour,
}

// retryDelay is the wait after the attempt (1 is the first), with a fifth of jitter either way.
func retryDelay(attempt int) time.Duration {
	return jitter(retryDelays[min(max(attempt, 1), len(retryDelays))-1])
}

func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64())) //nolint:gosec // spreads load, hides nothing
}

// messageTTL is how long a provider may hold on to a message: a phone may be off over a weekend.
func messageTTL(priority string) time.Duration {
	if priority == "bulk" {
		return 24 * time.Hour
	}
	return 7 * 24 * time.Hour
}

// errNotCalled tells the breaker that the provider was not asked after all.
var errNotCalled = errors.New("the provider was not called")

// breaker is one provider's circuit breaker. It opens after several failures in a row: outages, throttling and calls
// without an answer. A refusal of one message is an answer.
type breaker struct {
	*gobreaker.TwoStepCircuitBreaker[struct{}]
	open time.Duration
}

func newBreaker(name string, failures uint32, open time.Duration, changed func(name string, from, to gobreaker.State)) *breaker {
	return &breaker{open: open, TwoStepCircuitBreaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        name,
		MaxRequests: 2,
		Timeout:     open,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failures },
		IsSuccessful: func(err error) bool {
			return err == nil || classify(err).Class == ClassPermanent
		},
		IsExcluded:    func(err error) bool { return errors.Is(err, errNotCalled) },
		OnStateChange: changed,
	})}
}

// BreakerState is how a provider's circuit breaker stands, as metrics show it.
type BreakerState int

// The states.
const (
	BreakerClosed   BreakerState = 0
	BreakerHalfOpen BreakerState = 1
	BreakerOpen     BreakerState = 2
)

// Breakers tells how the breaker of each configured channel's provider stands in this process.
func (w *Worker) Breakers() map[string]BreakerState {
	states := make(map[string]BreakerState, len(w.breakers))
	for channel, b := range w.breakers {
		switch b.State() {
		case gobreaker.StateClosed:
			states[channel] = BreakerClosed
		case gobreaker.StateHalfOpen:
			states[channel] = BreakerHalfOpen
		case gobreaker.StateOpen:
			states[channel] = BreakerOpen
		}
	}
	return states
}

// hold is how long a job waits that finds the breaker open.
func (b *breaker) hold() time.Duration { return jitter(b.open) }
