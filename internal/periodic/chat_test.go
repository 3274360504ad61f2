package periodic

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

func TestChat_RemindsOfUnreadMessagesAndReportsDepartures(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	logger := slog.New(slog.DiscardHandler)
	writer := outbox.NewWriter(db.App, outbox.NewWaker(db.App, logger))
	clinic, patient, doctor, conversation := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	exec := func(sql string, args ...any) {
		_, err := db.Owner.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	exec(`INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Clinic', 'UTC')`, clinic)
	exec(`INSERT INTO users (id, email, given_name, family_name) VALUES ($1, 'a@b.example', 'A', 'B'), ($2, 'c@b.example', 'A', 'B')`, patient, doctor)
	exec(`INSERT INTO conversations VALUES ($1, $2, $3, '', 1, now(), now(), '')`, conversation, clinic, patient)
	exec(`INSERT INTO conversation_messages VALUES (gen_random_uuid(), $1, 1, $2, 'x', now())`, conversation, doctor)
	exec(`INSERT INTO conversation_participants (conversation_id, user_id, joined_at, last_activity_at, unread_since)
		VALUES ($1, $2, now(), now(), now() - interval '3 minutes')`, conversation, patient)
	exec(`INSERT INTO conversation_participants (conversation_id, user_id, joined_at, last_activity_at, left_at, left_untold)
		VALUES ($1, $2, now(), now(), now(), true)`, conversation, doctor)

	cfg := &river.Config{Schema: "river", Logger: logger, Workers: river.NewWorkers(), Queues: map[string]river.QueueConfig{}, ReindexerSchedule: river.NeverSchedule()}
	Add(cfg, directory.New(writer))
	AddChat(cfg, chat.New(writer))
	client, err := river.NewClient(riverpgxv5.New(db.Worker), cfg)
	require.NoError(t, err)
	require.NoError(t, client.Start(t.Context()))
	t.Cleanup(func() { <-client.Stopped() })

	require.Eventually(t, func() bool {
		var told int
		require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM outbox
			WHERE (type = 'chat.message_unread' AND person_id = $1) OR (type = 'chat.participant_left' AND person_id = $2)`, patient, doctor).Scan(&told))
		return told == 2
	}, 30*time.Second, 50*time.Millisecond)
}
