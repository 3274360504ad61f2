package notify

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

const (
	// unlimitedRate is the highest rate, in messages a second, of a provider without a configured
	// maximum.
	unlimitedRate = 10_000
	// slowestRate is the lowest rate that throttling leads to, in messages a second, unless the
	// configured maximum is lower.
	slowestRate = 1
	// rateStep is added to the rate, in messages a second, for each accepted message: at full use
	// the rate doubles in three and a half seconds. A provider of 14 messages a second then rejects
	// about one in thirty (TestProvider_FollowsTheRate).
	rateStep = 0.2
	// rateMemory is how long a throttled answer holds the rate down when no other follows it.
	rateMemory = time.Minute
	// burstTime is how much of the rate may go out at once after a lull, and the shortest time over
	// which it is measured.
	burstTime = 100 * time.Millisecond
	// pauseAfter is how many throttled answers in a row, without an accepted message between them,
	// mean that the account is over its limit, and not only one recipient's device: then the
	// provider's Retry-After holds for every message.
	pauseAfter = 3
	// maxPause bounds that wait. A provider that asks for more is asked again after it.
	maxPause = 5 * time.Minute
)

// limiter is the rate at which a provider is called: additive increase with each accepted message,
// multiplicative decrease with each throttled one, between slowestRate and the configured maximum.
// It is not safe for concurrent use.
type limiter struct {
	bucket  *rate.Limiter
	current float64
	max     float64
	// slowed is when the rate was last halved; pausedUntil is until when nothing is sent.
	slowed, pausedUntil time.Time
	inRow               int
	throttled           int64
	// calls and before are how many were let through in this window of a second, and in the one
	// before it.
	window        time.Time
	calls, before float64
}

// newLimiter returns a limiter with the maximum in messages a second; 0 means that only throttling
// limits it.
func newLimiter(maximum float64) *limiter {
	if maximum == 0 {
		maximum = unlimitedRate
	}
	return &limiter{bucket: rate.NewLimiter(rate.Limit(maximum), burst(maximum)), max: maximum, current: maximum}
}

func burst(r float64) int { return max(1, int(r*burstTime.Seconds())) }

func (l *limiter) set(now time.Time, r float64) {
	l.current = min(max(r, min(slowestRate, l.max)), l.max)
	l.bucket.SetLimitAt(now, rate.Limit(l.current))
	l.bucket.SetBurstAt(now, burst(l.current))
}

// wait returns how long the next message has to wait; 0 means that take may be called.
func (l *limiter) wait(now time.Time) time.Duration {
	if l.pausedUntil.After(now) {
		return l.pausedUntil.Sub(now)
	}
	if !l.slowed.IsZero() && now.Sub(l.slowed) > rateMemory {
		l.slowed = time.Time{}
		l.set(now, l.max)
	}
	missing := 1 - l.bucket.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	// Rounded up, so that the token is there when the wait is over.
	return time.Duration(math.Ceil(missing / l.current * float64(time.Second)))
}

// take counts a message that is let through.
func (l *limiter) take(now time.Time) {
	l.bucket.AllowN(now, 1)
	l.roll(now)
	l.calls++
}

// roll begins a new window once the current one is over.
func (l *limiter) roll(now time.Time) {
	switch age := now.Sub(l.window); {
	case age >= 2*time.Second:
		l.window, l.calls, l.before = now, 0, 0
	case age >= time.Second:
		l.window, l.calls, l.before = l.window.Add(time.Second), 0, l.calls
	}
}

// answered records an answer that is unrelated to the rate.
func (l *limiter) answered() { l.inRow = 0 }

// sent returns the recent rate of messages that were let through, per second.
func (l *limiter) sent(now time.Time) float64 {
	l.roll(now)
	return max(l.before, l.calls/max(now.Sub(l.window), burstTime).Seconds())
}

// accepted raises the rate by a step.
func (l *limiter) accepted(now time.Time) {
	l.answered()
	if l.current < l.max {
		l.set(now, l.current+rateStep)
	}
}

// throttle halves the rate after a throttled call that was let through at began. It halves no more
// than the rate at which messages were really sent, because an unused rate is no evidence about the
// provider. Calls in progress when the rate was halved do not halve it again.
func (l *limiter) throttle(now, began time.Time, retryAfter time.Duration) {
	l.throttled++
	l.inRow++
	if l.inRow >= pauseAfter {
		if until := now.Add(min(retryAfter, maxPause)); until.After(l.pausedUntil) {
			l.pausedUntil = until
		}
	}
	if !began.After(l.slowed) {
		return
	}
	l.slowed = now
	l.set(now, min(l.current, l.sent(now))/2)
}
