package notify

import (
	"math/rand/v2"
	"time"
)

// MaxAttempts is how often a delivery is tried: with retryDelays, over about four hours. A message about a clinic's day
// is worth less after that, and the fallback channel is still to come.
const MaxAttempts = 12

// The times of one run of a job, in their order. TestTimes holds what they must be to each other.
const (
	// holdTimeout is how long a job waits, before its claim, for its provider's breaker and limiter.
	holdTimeout = time.Minute
	// claimTimeout bounds the claim, its repetitions included.
	claimTimeout = time.Minute
	// issueTimeout bounds the making of the secret that a message carries.
	issueTimeout = 10 * time.Second
	// attemptTimeout bounds one call of a provider; FCM asks for at least 10 seconds.
	attemptTimeout = 15 * time.Second
	// settleTimeout is how long an outcome may take to be written before others take the job for lost: a failover of the
	// database takes 10 to 60 seconds. An outcome is not given up after it; it may only find that a later attempt began.
	settleTimeout = time.Minute
	// jobTimeout covers all of them, and is shorter than rescueAfter, so that River never gives a job away that still runs.
	jobTimeout  = 4 * time.Minute
	rescueAfter = 5 * time.Minute
	// staleAfter is when an attempt that was begun cannot be under way any more, and its outcome should have been written.
	// A rescued job's attempt is older, so that its next run need not wait.
	staleAfter = 2 * time.Minute
)

const (
	// receiptWait and receiptWaitCritical are how long an uncertain message waits for a receipt.
	receiptWait         = 10 * time.Minute
	receiptWaitCritical = time.Minute
	// throttledDelay is the wait after a throttled call when the provider does not say how long: the limiter decides when it
	// is sent.
	throttledDelay = time.Second
	// throttledMax is for how long nothing but throttling may become of a message. After that a throttled call uses up an
	// attempt, so that the message comes to an end.
	throttledMax = 24 * time.Hour
	// drainSnooze is how long a job stays away that this process released because it is about to stop: another takes it.
	drainSnooze = time.Second
	// halfOpenProbes is how many calls a half-open breaker lets through at once, and how many must succeed to close it.
	halfOpenProbes = 2
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
