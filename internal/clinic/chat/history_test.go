package chat_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/chat"
)

// numbers returns the numbers of the messages that the actor sees.
func (b *testBundle) numbers(t *testing.T, actor care.Actor, id uuid.UUID) []int64 {
	t.Helper()
	list, _, err := b.chat.ListMessages(t.Context(), by(actor), id, 0, 0)
	require.NoError(t, err)
	shown := []int64{}
	for _, m := range list {
		shown = append(shown, m.Number)
	}
	return shown
}

func (b *testBundle) add(t *testing.T, as, who care.Actor, id uuid.UUID, history bool) chat.Conversation {
	t.Helper()
	c, err := b.chat.AddParticipant(t.Context(), by(as), id, chat.NewParticipant{UserID: who.UserID, History: history})
	require.NoError(t, err)
	return c
}

func TestAdd_ShowsLaterMessagesOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.doctor)
	first := b.write(t, b.patient, c.ID)
	c = b.add(t, b.doctor, b.nurse, c.ID, false)
	require.Equal(t, []int64{1, 1, 2}, seesFrom(c))
	require.Equal(t, b.doctor.ID, c.Participants[2].AddedBy)
	require.Empty(t, b.numbers(t, b.nurse, c.ID))
	written := b.write(t, b.patient, c.ID)
	require.Equal(t, []int64{2}, b.numbers(t, b.nurse, c.ID))
	require.Equal(t, []int64{2, 1}, b.numbers(t, b.doctor, c.ID))
	got, err := b.chat.Get(t.Context(), by(b.nurse), c.ID)
	require.NoError(t, err)
	require.EqualValues(t, 1, got.Unread, "of those that they are shown")
	page, err := b.chat.List(t.Context(), by(b.nurse), "", 0)
	require.NoError(t, err)
	require.EqualValues(t, 1, page.Items[0].Unread)

	requireCode(t, second(b.chat.GetMessage(t.Context(), by(b.nurse), c.ID, first.ID)), care.NotFound)
	requireCode(t, b.chat.MarkRead(t.Context(), by(b.nurse), c.ID, chat.ReadMark{MessageID: first.ID}), care.Invalid, "messageId")
	require.NoError(t, b.chat.MarkRead(t.Context(), by(b.nurse), c.ID, chat.ReadMark{MessageID: written.ID}))

	// A participant without the history cannot share it, not even with themselves.
	b.add(t, b.nurse, b.colleague, c.ID, true)
	require.Equal(t, []int64{2}, b.numbers(t, b.colleague, c.ID))
	b.add(t, b.nurse, b.nurse, c.ID, true)
	require.Equal(t, []int64{2}, b.numbers(t, b.nurse, c.ID))
	// A participant with the history can share it, also with current participants. It cannot be
	// unshared.
	b.add(t, b.doctor, b.nurse, c.ID, true)
	require.Equal(t, []int64{2, 1}, b.numbers(t, b.nurse, c.ID))
	b.add(t, b.doctor, b.nurse, c.ID, false)
	require.Equal(t, []int64{2, 1}, b.numbers(t, b.nurse, c.ID))
}

func TestAdd_WithTheHistoryShowsAllMessages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.doctor)
	b.write(t, b.doctor, c.ID)
	b.add(t, b.doctor, b.nurse, c.ID, true)
	require.Equal(t, []int64{1}, b.numbers(t, b.nurse, c.ID))
	require.NoError(t, b.chat.RemoveParticipant(t.Context(), by(b.nurse), c.ID, b.nurse.UserID))
	b.write(t, b.doctor, c.ID)
	b.add(t, b.doctor, b.nurse, c.ID, false)
	require.Empty(t, b.numbers(t, b.nurse, c.ID), "who comes back begins anew")
}

func TestRemove_FollowsWhoBeganAndWhoAdded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.doctor)
	b.add(t, b.doctor, b.nurse, c.ID, false)
	b.add(t, b.nurse, b.colleague, c.ID, false)
	remove := func(as, who care.Actor) error { return b.chat.RemoveParticipant(t.Context(), by(as), c.ID, who.UserID) }
	requireCode(t, remove(b.nurse, b.doctor), care.Forbidden)     // Who began it.
	requireCode(t, remove(b.colleague, b.doctor), care.Forbidden) // Not even by a doctor.
	requireCode(t, remove(b.colleague, b.nurse), care.Forbidden)  // Who added them.
	require.NoError(t, remove(b.nurse, b.colleague), "whom they added")
	require.NoError(t, remove(b.doctor, b.nurse))
	b.add(t, b.doctor, b.nurse, c.ID, false)
	b.add(t, b.nurse, b.colleague, c.ID, false)
	require.NoError(t, remove(b.doctor, b.colleague), "whom another added")

	// If the person who began it is disabled, they become an ordinary participant from the
	// beginning.
	b.Exec(t, "UPDATE users SET status = 'disabled' WHERE id = $1", b.doctor.UserID)
	requireCode(t, remove(b.nurse, b.doctor), care.Forbidden) // The nurse was added.
	b.Exec(t, "UPDATE conversation_participants SET added_by = NULL")
	b.add(t, b.nurse, b.colleague, c.ID, false)
	b.Exec(t, "UPDATE conversation_participants SET added_by = NULL")
	require.NoError(t, remove(b.colleague, b.doctor))

	// A patient's conversation includes the whole team from the beginning.
	c = b.begin(t, b.patient)
	requireCode(t, remove(b.nurse, b.colleague), care.Forbidden)
	require.NoError(t, remove(b.colleague, b.nurse))
}

func TestRemind_IgnoresTheDead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.doctor)
	b.write(t, b.doctor, c.ID)
	b.Exec(t, "UPDATE users SET deceased_on = '2026-01-31' WHERE id = $1", b.patient.UserID)
	b.later(3 * time.Minute)
	require.Zero(t, b.remind(t))
	_, err := b.chat.Create(t.Context(), by(b.doctor), b.input())
	requireCode(t, err, care.Invalid, "patientId")
	b.Exec(t, "UPDATE users SET deceased_on = NULL WHERE id = $1", b.patient.UserID)
	require.Equal(t, 1, b.remind(t))
}

func seesFrom(c chat.Conversation) []int64 {
	var all []int64
	for _, p := range c.Participants {
		all = append(all, p.SeesFrom)
	}
	return all
}
