package notify

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInterruptionLevel_IsCriticalOnlyWithTheEntitlement(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		level, priority string
		critical        bool
		want            string
	}{
		{"", "normal", false, ""},
		{"", "bulk", true, ""},
		{"", "high", false, "time-sensitive"},
		{"", "high", true, "time-sensitive"},
		{"", "critical", false, "time-sensitive"},
		{"", "critical", true, "critical"},
		{"critical", "critical", false, "time-sensitive"},
		{"critical", "high", false, "time-sensitive"},
		{"critical", "high", true, "critical"},
		{"active", "high", true, "active"},
		{"passive", "normal", true, "passive"},
		{"passive", "critical", true, "time-sensitive"},
		{"active", "critical", false, "time-sensitive"},
	} {
		require.Equal(t, c.want, interruptionLevel(c.level, c.priority, c.critical), c)
	}
}
