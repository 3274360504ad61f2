package realtime_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/realtime"
)

func TestHub_EncodesAFrameOnceForSessionsThatSeeTheSame(t *testing.T) {
	t.Parallel()
	const sessions = 30
	b := setup(t, func(c *realtime.Config) { c.Limits.AdvanceAfter = time.Hour })
	clients := make([]*client, sessions)
	for i := range clients {
		clients[i] = b.dial(t, []uuid.UUID{b.doctor, b.nurse}[i%2])
	}
	patient := b.dial(t, b.patient)
	for range 5 {
		seen, hidden := b.report(b.stranger, b.here), b.report(b.patient, b.here)
		b.append(t, seen, hidden)
		for _, c := range clients {
			c.gets(seen, hidden)
		}
		patient.gets(hidden)
	}
	// Two events may arrive one by one at some, together at others, and a patient sees one of them.
	require.LessOrEqual(t, b.hub.Stats().FramesEncoded, int64(5*5), "%d sessions", sessions)
}

func TestHub_HasLittleInFlightForManyClientsThatDoNotRead(t *testing.T) {
	t.Parallel()
	const (
		frozen, events = 40, 250
		limit          = 64 << 10
		// A small frame ends with the event that exceeds 4 KiB.
		small = 4<<10 + 1<<10
	)
	b := setup(t, unhurried, func(c *realtime.Config) { c.Limits.FlightBytes, c.Limits.AdvanceAfter = limit, time.Hour })
	var all []event.Event
	for range frozen {
		who := b.person(t, b.here, care.Patient)
		b.dial(t, who, narrow)
		for range events {
			all = append(all, b.report(who, b.other))
		}
	}
	reader := b.dial(t, b.doctor)
	for len(all) > 0 {
		b.append(t, all[:1000]...)
		all = all[1000:]
	}
	last := b.report(b.patient, b.here)
	b.append(t, last)
	reader.gets(last)
	require.Eventually(t, func() bool { return b.hub.Stats().FlightBytes > limit }, patience, time.Millisecond, "the network of each buffers less")
	require.Never(t, func() bool { return b.hub.Stats().FlightBytes > limit+64<<10+frozen*small }, 200*time.Millisecond, 5*time.Millisecond)

	more := b.report(b.patient, b.here)
	b.append(t, more)
	reader.gets(more)
}
