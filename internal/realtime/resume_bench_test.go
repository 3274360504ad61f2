package realtime_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/event"
)

// BenchmarkResume sends missed events to clients that resume far behind the ring: to a doctor who
// may see every event, to one who may see only the last, and to many doctors at once. pages/op is
// the number of reads of the ledger.
func BenchmarkResume(b *testing.B) {
	for _, missed := range []int{20_000, 100_000} {
		x := setup(b)
		cursor := x.dial(b, x.doctor).cursor
		for at := 0; at < missed; at += 2000 {
			events := make([]event.Event, 2000)
			for i := range events {
				events[i] = x.report(x.stranger, x.here)
			}
			x.append(b, events...)
		}
		last := x.report(x.patient, x.here)
		x.append(b, last)
		require.Eventually(b, func() bool { return x.hub.Stats().Position == int64(missed)+1 }, patience, time.Millisecond)
		for _, sub := range []struct {
			name     string
			who      uuid.UUID
			sessions int
		}{{"all", x.doctor, 1}, {"one", x.patient, 1}, {"all_20_sessions", x.doctor, 20}} {
			b.Run(fmt.Sprintf("missed=%d/%s", missed, sub.name), func(b *testing.B) {
				before := x.hub.Stats().Pages
				for b.Loop() {
					done := make(chan error, sub.sessions)
					for range sub.sessions {
						conn, resp, err := x.try(sub.who, resume(cursor))
						require.NoError(b, err)
						_ = resp.Body.Close()
						go func() {
							defer func() { _ = conn.Close() }()
							for {
								_, msg, err := conn.ReadMessage()
								if err != nil || bytes.Contains(msg, []byte(last.ID.String())) {
									done <- err
									return
								}
							}
						}()
					}
					for range sub.sessions {
						require.NoError(b, <-done)
					}
				}
				b.ReportMetric(float64(x.hub.Stats().Pages-before)/float64(b.N), "pages/op")
			})
		}
	}
}
