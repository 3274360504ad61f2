package notify

import (
	"math/rand/v2"
	"time"
)

// MaxAttempts is how often a delivery is tried: with retryDelays, over about four hours. A message
// about a clinic's day is worth less after that, and the fallback channel is still to come.
const MaxAttempts = 12

// The times of one run of a job, in their order. TestTimes checks their relations.
const (
	// holdTimeout is how long a job waits, before its claim, for its provider's breaker and
	// limiter.
	holdTimeout = time.Minute
	// claimTimeout bounds the claim, its repetitions included.
	claimTimeout = time.Minute
	// issueTimeout bounds the creation of the secret that a message carries.
	issueTimeout = 10 * time.Second
	// attemptTimeout bounds one call of a provider; FCM asks for at least 10 seconds.
	attemptTimeout = 15 * time.Second
	// failoverTimeout is how long after the first call of an attempt another provider may be called.
	// The calls of one attempt therefore need at most failoverTimeout + attemptTimeout.
	failoverTimeout = 20 * time.Second
	// settleTimeout is how long writing an outcome may take before others consider the job lost: a
	// failover of the database takes 10 to 60 seconds. Writing continues after it, but may find
	// that a later attempt has begun.
	settleTimeout = time.Minute
	// jobTimeout covers all of them, and is shorter than rescueAfter, so that River never rescues a
	// job that still runs.
	jobTimeout  = 4 * time.Minute
	rescueAfter = 5 * time.Minute
	// staleAfter is the age after which an attempt cannot be in progress any more and its outcome
	// should have been written. A rescued job's attempt is older, so that its next run need not
	// wait.
	staleAfter = 2 * time.Minute
)

const (
	// receiptWait and receiptWaitCritical are how long an uncertain message waits for a receipt.
	receiptWait         = 10 * time.Minute
	receiptWaitCritical = time.Minute
	// throttledDelay is the wait after a throttled call if the provider asks for none: the limiter
	// decides when it is sent.
	throttledDelay = time.Second
	// throttledMax is how long a message may be throttled without using up attempts. After that a
	// throttled call uses one, so that the delivery ends.
	throttledMax = 24 * time.Hour
	// templateDelay is the wait of a message that has no template set which this binary understands: an
	// operator fixes the set, or a worker of another release takes the message.
	templateDelay = 20 * time.Second
	// drainSnooze is how long a job stays away that this process released because it is about to
	// stop: another takes it.
	drainSnooze = time.Second
	// halfOpenProbes is how many calls a half-open breaker lets through at once, and how many must
	// succeed to close it.
	halfOpenProbes = 2
)

// retryDelays are the waits after the first, second, … failed attempt; the last repeats.
var retryDelays = []time.Duration{
	time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	20 * time.Minute, 40 * time.Minute, time.Hour,
}

// retryDelay returns the wait after the attempt (1 is the first), with a fifth of jitter either
// way.
func retryDelay(attempt int) time.Duration {
	return jitter(retryDelays[min(max(attempt, 1), len(retryDelays))-1])
}

func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64())) //nolint:gosec // spreads load, hides nothing
}

// messageTTL returns how long a provider may keep a message: a phone may be off over a weekend.
func messageTTL(priority string) time.Duration {
	if priority == "bulk" {
		return 24 * time.Hour
	}
	return 7 * 24 * time.Hour
}
