package notify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/sandbox"
)

func TestWorker_KeepsPeopleOutOfJobsEventsAndLogs(t *testing.T) {
	t.Parallel()
	b, s := withSandbox(t)
	for _, f := range []sandbox.Fault{
		{Channel: "email", ErrorCode: "MessageRejected", Count: 1},
		{Channel: "email", Status: 503, Count: 2},
		{Channel: "push", ErrorCode: "INVALID_ARGUMENT", Count: 1},
		{Channel: "push", Status: 500, Count: 1},
	} {
		_, err := s.AddFault(f)
		require.NoError(t, err)
	}
	for range 4 {
		b.enqueue(b.plan(plan{channel: notify.Email}), b.plan(plan{fallback: []string{notify.Email}}))
	}
	b.start()
	b.eventually(func() bool {
		return b.count(`SELECT count(*) FROM deliveries WHERE state NOT IN ('sent', 'failed')`) == 0
	}, "all are settled")
	require.NotEmpty(t, s.Messages("push"))
	b.requireNoPHI()
	// An address in an error would be cut down to nothing.
	require.Equal(t, "unknown", notify.Permanent(phi[0]).Code)
}

// requireNoPHI looks through all that leaves the directory's tables.
func (b *bundle) requireNoPHI() {
	b.t.Helper()
	for _, table := range []string{"river.river_job", "outbox", "deliveries", "notifications"} {
		for _, secret := range phi {
			require.Zero(b.t, b.count(`SELECT count(*) FROM `+table+` AS r WHERE r::text ILIKE '%' || $1 || '%'`, secret), "%s holds %s", table, secret)
		}
	}
	for _, secret := range phi {
		require.NotContains(b.t, b.logs.String(), secret)
	}
}
