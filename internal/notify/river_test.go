package notify_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
)

// A client that never polls fetches a job only because the insert woke it. The second job is inserted
// when the fetch at the client's start is over.
func TestRiverConfig_AnInsertWakesTheQueueWithoutAPoll(t *testing.T) {
	t.Parallel()
	b, _, _ := withRecorders(t)
	rc := b.worker.RiverConfig(slog.New(slog.DiscardHandler), 8)
	rc.PeriodicJobs, rc.TestOnly, rc.FetchPollInterval = nil, true, time.Hour
	client, err := river.NewClient(riverpgxv5.New(b.db.Worker), rc)
	require.NoError(t, err)
	b.client = client
	b.start()
	for _, channel := range []string{notify.Push, notify.Push, notify.Email} {
		id := b.plan(plan{channel: channel})
		b.insertJob(id, channel)
		b.await(id, "sent")
	}
}

// insertJob inserts a delivery's job without River's client, which would send its own notification.
func (b *bundle) insertJob(id uuid.UUID, channel string) {
	b.t.Helper()
	b.exec(`INSERT INTO river.river_job (kind, queue, args, max_attempts, state)
		VALUES ('delivery', $2, jsonb_build_object('deliveryId', $1::text), 12, 'available')`, id, channel)
}
