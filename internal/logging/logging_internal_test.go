package logging

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestForLibrary_WritesARepeatedLineOnceAMinuteWithTheNumberDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logger := ForLibrary(slog.New(slog.NewTextHandler(&out, nil)))
		// An outage of 105 seconds, in which each of five queues fails every second.
		for range 105 {
			for _, queue := range []string{"email", "push", "sms", "whatsapp", "sweep"} {
				logger.With("component", queue).Error("producer: Error fetching jobs", "err", "connection refused", "queue", queue)
			}
			elapse(time.Second)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.Len(t, lines, 2)
		require.NotContains(t, lines[0], "left_out")
		require.Contains(t, lines[0], "component=email")
		require.Contains(t, lines[1], "left_out=299")

		out.Reset()
		logger.Warn("producer: Error fetching jobs")
		logger.Error("elector: Error keeping leadership")
		logger.WithGroup("river").Error("elector: Error keeping leadership", "x", 1)
		logger.Info("every step of a library")
		require.Equal(t, 2, strings.Count(out.String(), "\n"), "another level and another message are other lines: %s", out.String())
	})
}

func TestForLibrary_RemembersABoundedNumberOfLines(t *testing.T) {
	t.Parallel()
	h := sparse{slog.DiscardHandler, &repeats{lines: map[repeat]*seen{}}}
	for i := range 3 * maxRepeats {
		require.NoError(t, h.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelError, fmt.Sprint("job ", i), 0)))
		require.LessOrEqual(t, len(h.repeats.lines), maxRepeats)
	}
}

// elapse advances virtual time. Use it only inside a synctest bubble.
func elapse(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // no real time passes
}
