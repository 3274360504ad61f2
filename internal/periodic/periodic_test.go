package periodic

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func TestSessions_AreDeletedAfterExpiry(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	logger := slog.New(slog.DiscardHandler)
	dir := directory.New(outbox.NewWriter(db.App, outbox.NewWaker(db.App, logger)))
	person := uuid.New()
	_, err := db.Owner.Exec(t.Context(), `INSERT INTO users (id, email, given_name, family_name) VALUES ($1, 'a@b.example', 'A', 'B')`, person)
	require.NoError(t, err)
	_, _, err = dir.CreateSession(t.Context(), care.Command{Actor: care.Actor{ID: person.String(), UserID: person}}, time.Hour)
	require.NoError(t, err)
	_, err = db.Owner.Exec(t.Context(), `INSERT INTO web_sessions (digest, user_id, expires_at) VALUES (sha256('old'), $1, now() - interval '1 minute')`, person)
	require.NoError(t, err)

	cfg := &river.Config{Schema: "river", Logger: logger, Workers: river.NewWorkers(), Queues: map[string]river.QueueConfig{}, ReindexerSchedule: river.NeverSchedule()}
	Add(cfg, dir)
	client, err := river.NewClient(riverpgxv5.New(db.Worker), cfg)
	require.NoError(t, err)
	require.NoError(t, client.Start(t.Context()))
	t.Cleanup(func() { <-client.Stopped() })

	require.Eventually(t, func() bool {
		var left int
		require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM web_sessions`).Scan(&left))
		return left == 1
	}, 20*time.Second, 50*time.Millisecond, "the expired one goes, the other stays")
}

func TestJobs_AreNotQueuedWhileOneOfTheirKindWaits(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	client, err := river.NewClient(riverpgxv5.New(db.Worker), &river.Config{Schema: "river", Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	for _, args := range []river.JobArgs{SessionArgs{}, OverdueArgs{}, ChatArgs{}, ClientArgs{}} {
		first, err := client.Insert(t.Context(), args, nil)
		require.NoError(t, err)
		require.False(t, first.UniqueSkippedAsDuplicate, args.Kind())
		second, err := client.Insert(t.Context(), args, nil)
		require.NoError(t, err)
		require.True(t, second.UniqueSkippedAsDuplicate, args.Kind())
	}
}
