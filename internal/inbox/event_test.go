package inbox_test

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/clinictest"
	"carewire/internal/event"
	"carewire/internal/inbox"
)

func TestMarkRead_SettlesDeliveredMessagesAndCancelsOpenOnes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.notified(t, b.person, "queued", "delivered", "sent", "uncertain")
	b.Exec(t, `UPDATE deliveries SET attempt_started_at = now() WHERE state = 'uncertain'`)
	busy := b.notified(t, b.person, "queued")
	b.Exec(t, `UPDATE deliveries SET attempt_started_at = now() WHERE notification_id = $1`, busy)
	untouched := b.notified(t, b.another, "queued")
	b.mark(t, inbox.Read, inbox.Target{IDs: []uuid.UUID{id, busy, untouched}})

	rows, err := b.DB.Owner.Query(t.Context(), `SELECT channel || ' ' || state || ' ' || reason || ' ' || fallback::text FROM deliveries WHERE notification_id = $1 ORDER BY channel`, id)
	require.NoError(t, err)
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"email cancelled read_in_app {}", "push read  {}", "teams uncertain  {}", "whatsapp sent  {}"}, got)
	rows, err = b.DB.Owner.Query(t.Context(), `SELECT state || ' ' || fallback::text FROM deliveries WHERE notification_id = ANY ($1) ORDER BY event_position`, []uuid.UUID{busy, untouched})
	require.NoError(t, err)
	got, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"queued {}", "queued {sms}"}, got, "a call in progress, and another person's")

	require.ElementsMatch(t, []string{"notification.read", "notification.read", "notification.read", "notification.failed", "inbox.updated"}, clinictest.Types(b.Events(t)))
}

// updates returns the counts of the inbox.updated events, in the order of the outbox.
func (b *bundle) updates(t *testing.T) (all []inbox.Counts) {
	t.Helper()
	rows, err := b.DB.Owner.Query(t.Context(), `SELECT data FROM outbox WHERE type = 'inbox.updated' ORDER BY id`)
	require.NoError(t, err)
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	for _, text := range texts {
		var e event.Inbox
		require.NoError(t, json.Unmarshal([]byte(text), &e))
		require.Equal(t, b.person.UserID, e.UserID)
		all = append(all, inbox.Counts{Unread: e.Unread, Unseen: e.Unseen})
	}
	return all
}

func TestMark_OfTwoDevicesAtOnceEndsWithTheTrueCounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const each = 20
	var left, right []uuid.UUID
	for range each {
		left, right = append(left, b.notified(t, b.person)), append(right, b.notified(t, b.person))
	}
	var devices sync.WaitGroup
	failed := make(chan error, 2*each)
	for _, list := range [][]uuid.UUID{left, right} {
		devices.Go(func() {
			for _, id := range list {
				_, err := b.inbox.Mark(t.Context(), clinictest.By(b.person), inbox.Read, inbox.Target{IDs: []uuid.UUID{id}})
				failed <- err
			}
		})
	}
	devices.Wait()
	for range 2 * each {
		require.NoError(t, <-failed)
	}
	updates := b.updates(t)
	require.Len(t, updates, 2*each)
	for i, c := range updates {
		left := int64(2*each - 1 - i)
		require.Equal(t, inbox.Counts{Unread: left, Unseen: left}, c, "each event has the counts after all earlier ones")
	}
}
