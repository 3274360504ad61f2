package chat_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

func TestQueries_UseIndexesAmongManyConversations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, `INSERT INTO conversations SELECT gen_random_uuid(), $1, $2, '', 2, now() - n * interval '1 minute', now(), '' FROM generate_series(1, 5000) AS n`, b.here, b.patient.UserID)
	b.Exec(t, `INSERT INTO conversation_messages SELECT gen_random_uuid(), c.id, n, $1, 'x', now() FROM conversations AS c, generate_series(1, 2) AS n`, b.patient.UserID)
	b.Exec(t, `INSERT INTO conversation_participants (conversation_id, user_id, joined_at, last_activity_at)
		SELECT c.id, u, now(), c.last_activity_at FROM conversations AS c, unnest($1::uuid[]) AS u`, ids(b.patient, b.doctor, b.nurse))
	b.Exec(t, "ANALYZE conversations, conversation_messages, conversation_participants")
	var one uuid.UUID
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT id FROM conversations LIMIT 1").Scan(&one))
	for name, c := range map[string]struct {
		sql   string
		args  []any
		index string
	}{
		"list": {
			db.ConversationList,
			[]any{b.doctor.UserID, care.AfterAll.Time, care.AfterAll.ID, []uuid.UUID{b.here}, int32(51)},
			"conversation_participants_user_idx",
		},
		"messages": {db.MessageList, []any{one, int64(100), int64(0), int32(51)}, "conversation_messages_number_key"},
		"remind":   {db.ParticipantRemind, []any{time.Now(), int32(0), int32(200)}, "conversation_participants_unread_idx"},
		"left":     {db.ParticipantLeftTell, []any{int32(0), int32(200)}, "conversation_participants_untold_idx"},
	} {
		rows, err := b.db.App.Query(t.Context(), "EXPLAIN "+c.sql, c.args...)
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		plan := strings.Join(lines, "\n")
		require.Contains(t, plan, c.index, "%s:\n%s", name, plan)
		require.NotContains(t, plan, "Seq Scan on conversation_participants", "%s:\n%s", name, plan)
		require.NotContains(t, plan, "Seq Scan on conversation_messages", "%s:\n%s", name, plan)
	}
}
