package periodic

import (
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/directory"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

func TestClients_AreDeletedAfterTheRetentionPeriod(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	logger := slog.New(slog.DiscardHandler)
	_, err := db.Owner.Exec(t.Context(), `INSERT INTO event_clients (position, recorded_at, agent) SELECT i, now() - make_interval(days => 10 - i), 'browser' FROM generate_series(1, 10) AS i`)
	require.NoError(t, err)

	cfg := &river.Config{Schema: "river", Logger: logger, Workers: river.NewWorkers(), Queues: map[string]river.QueueConfig{}, ReindexerSchedule: river.NeverSchedule()}
	Add(cfg, directory.New(outbox.NewWriter(db.App, outbox.NewWaker(db.App, logger))))
	AddClients(cfg, db.Worker, 72*time.Hour-time.Minute)
	client, err := river.NewClient(riverpgxv5.New(db.Worker), cfg)
	require.NoError(t, err)
	require.NoError(t, client.Start(t.Context()))
	t.Cleanup(func() { <-client.Stopped() })

	require.Eventually(t, func() bool {
		var left, first int
		require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT count(*), min(position) FROM event_clients`).Scan(&left, &first))
		return left == 3 && first == 8
	}, 30*time.Second, 50*time.Millisecond)
}
