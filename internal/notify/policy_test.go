package notify

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/batch"
	"carewire/internal/care"
)

// TestTimes holds the arithmetic that the comments in policy.go rely on.
func TestTimes_LeaveEachOtherTheTimeTheyNeed(t *testing.T) {
	t.Parallel()
	const margin = 10 * time.Second
	require.Greater(t, failoverTimeout, attemptTimeout, "a call that timed out before it was sent leaves time for another provider")
	call := issueTimeout + failoverTimeout + attemptTimeout
	require.LessOrEqual(t, 2*batch.Timeout, claimTimeout, "a claim waits for the group before its own")
	require.LessOrEqual(t, 2*batch.Timeout+lastRetry, settleTimeout, "an outcome too, and is written again after that")
	require.Greater(t, jobTimeout, holdTimeout+claimTimeout+call+settleTimeout+margin, "a run in good order is not cut off")
	require.Greater(t, rescueAfter, jobTimeout+margin, "a job that runs is not given away")
	require.Greater(t, staleAfter, call+settleTimeout+margin, "an attempt under way is not taken for interrupted")
	require.GreaterOrEqual(t, rescueAfter, holdTimeout+claimTimeout+staleAfter, "a rescued job's attempt is stale: its next run need not wait again")
	require.GreaterOrEqual(t, sweepGrace, staleAfter, "and so is that of one that the sweep takes on")
	require.Greater(t, batch.Max, defaultMaxWorkers*len(care.BuiltinChannels), "one group holds all workers")
	require.Less(t, maxPause, throttledMax)
}
