package e2e_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMetrics_AreExposed(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	c.dial(patient, "")
	id := c.writeReport()
	c.eventually("all is sent", func() bool { return len(ofType(c.story("lab_report/"+id), "notification.sent")) == 6 })
	a := c.do("", http.MethodGet, "/metrics", nil)
	require.Equal(t, http.StatusOK, a.status)
	for _, line := range []string{
		`carewire_delivery_attempts_total{channel="email",outcome="sent"} 3`,
		`carewire_delivery_attempts_total{channel="push",outcome="sent"} 3`,
		`carewire_messages_total{channel="email",outcome="sent",provider="ses",template_version="1"} 3`,
		"carewire_sequencer_moved_total ", "carewire_sequencer_rejected_total 0", `carewire_follower_handled_total{follower="dispatch"} `,
		`carewire_follower_lag_events{follower="dispatch"} `, "carewire_ledger_position ", "carewire_outbox_oldest_seconds ",
		"carewire_database_clock_skew_seconds ", `carewire_breaker_state{channel="email",provider="ses"} 0`,
		`carewire_provider_calls_total{channel="email",provider="ses",result="accepted"} 3`,
		`carewire_provider_calls_total{channel="email",provider="ses-eu",result="accepted"} 0`,
		`carewire_provider_call_seconds_count{channel="push",provider="fcm"} `,
		`carewire_provider_rate{channel="push",provider="fcm"} 10000`, `carewire_provider_throttled_total{channel="email",provider="ses"} 0`,
		`carewire_follower_lag_seconds{follower="dispatch"} `, `carewire_jobs{queue="email",state="available"} 0`, "carewire_sockets 1", "carewire_socket_rooms 1", "go_goroutines ",
	} {
		require.Contains(t, string(a.body), "\n"+line)
	}
	for _, phi := range []string{id, patient, "demo-device"} {
		require.NotContains(t, string(a.body), phi, "labels are bounded and have no names")
	}
}
