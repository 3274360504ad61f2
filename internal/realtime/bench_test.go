package realtime_test

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/realtime"
)

// BenchmarkFanout sends events from the outbox to every session of a clinic's room. The clients run
// in this process and cost about as much as the service. deliveries/s counts an event at one
// session.
func BenchmarkFanout(b *testing.B) {
	const batch = 200
	for _, sessions := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			x := setup(b, func(c *realtime.Config) { c.Limits.AdvanceAfter = time.Hour })
			var received atomic.Int64
			done := make(chan struct{}, 1)
			var want atomic.Int64
			count := func(n int) {
				if n > 0 && received.Add(int64(n)) == want.Load() {
					done <- struct{}{}
				}
			}
			var who uuid.UUID
			for i := range sessions {
				if i%40 == 0 {
					who = x.person(b, x.here, care.Nurse)
				}
				c := x.dial(b, who)
				require.NoError(b, c.conn.SetReadDeadline(time.Time{}))
				go func() {
					for {
						_, msg, err := c.conn.ReadMessage()
						if err != nil {
							return
						}
						count(bytes.Count(msg, []byte(`"specversion"`)))
					}
				}()
			}
			events := make([]event.Event, batch)
			n := 0
			for b.Loop() {
				for i := range events {
					events[i] = x.report(x.stranger, x.here)
				}
				want.Add(int64(batch * sessions))
				x.append(b, events...)
				<-done
				n++
			}
			b.ReportMetric(float64(n*batch)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(n*batch*sessions)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
