package inbox_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/clinictest"
	"carewire/internal/inbox"
)

func TestAcknowledge_MarksAsReadAndKeepsTheFirstTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.notified(t, b.person, "queued", "delivered")
	a, err := b.inbox.Acknowledge(t.Context(), clinictest.By(b.person), id)
	require.NoError(t, err)
	item := b.list(t, inbox.Filter{}).Items[0]
	require.Equal(t, a.AcknowledgedAt, item.AcknowledgedAt.UTC())
	require.NotNil(t, item.ReadAt)
	require.False(t, item.NeedsAcknowledgement, "no step follows")
	require.ElementsMatch(t, []string{"notification.read", "notification.read", "notification.failed", "inbox.updated", "notification.acknowledged"}, clinictest.Types(b.Events(t)))
	again, err := b.inbox.Acknowledge(t.Context(), clinictest.By(b.person), id)
	require.NoError(t, err)
	require.Equal(t, a, again)
	require.Len(t, b.Events(t), 5, "a repetition appends nothing")
}

func TestAcknowledge_RefusesOtherPeoplesAndHeldNotifications(t *testing.T) {
	t.Parallel()
	b := setup(t)
	theirs, held := b.notified(t, b.another), b.notified(t, b.person)
	b.Exec(t, `UPDATE notifications SET held_until = 'infinity' WHERE id = $1`, held)
	for _, id := range []uuid.UUID{theirs, held, uuid.New()} {
		_, err := b.inbox.Acknowledge(t.Context(), clinictest.By(b.person), id)
		require.Equal(t, care.NotFound, care.CodeOf(err))
	}
	var n int
	require.NoError(t, b.DB.Owner.QueryRow(t.Context(), `SELECT count(*) FROM notifications WHERE acknowledged_at IS NOT NULL OR read_at IS NOT NULL`).Scan(&n))
	require.Zero(t, n)
}

func TestList_OfUnacknowledgedHasArchivedOnesToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	archived, open, other := b.notified(t, b.person), b.notified(t, b.person), b.notified(t, b.person)
	b.Exec(t, `UPDATE notifications SET needs_acknowledgement = true WHERE id <> $1`, other)
	b.mark(t, inbox.Archive, inbox.Target{IDs: []uuid.UUID{archived}})
	require.Equal(t, []uuid.UUID{open, archived}, ids(b.list(t, inbox.Filter{Unacknowledged: true})))
	require.Empty(t, ids(b.list(t, inbox.Filter{Unacknowledged: true, Category: "chat"})))
	_, err := b.inbox.List(t.Context(), b.person, inbox.Filter{Unacknowledged: true, Unread: true, Limit: 1})
	clinictest.RequireCode(t, err, care.Invalid, "unacknowledged")
}
