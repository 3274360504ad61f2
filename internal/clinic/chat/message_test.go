package chat_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/chat"
	"carewire/internal/event"
	"carewire/internal/outbox/outboxtest"
)

func TestWrite_NumbersConcurrentMessagesWithoutGaps(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	authors := []care.Actor{b.patient, b.doctor, b.nurse, b.colleague}
	for _, err := range at(20, func(i int) error {
		return second(b.chat.CreateMessage(t.Context(), by(authors[i%4]), c.ID, chat.NewMessage{Text: secret}))
	}) {
		require.NoError(t, err)
	}
	rows, err := b.db.Owner.Query(t.Context(), "SELECT subject_version FROM outbox WHERE subject = $1 AND subject_version IS NOT NULL ORDER BY id", "conversation/"+c.ID.String())
	require.NoError(t, err)
	defer rows.Close()
	n := int64(0)
	for rows.Next() {
		var version int64
		require.NoError(t, rows.Scan(&version))
		n++
		require.Equal(t, n, version)
	}
	require.NoError(t, rows.Err())
	require.Equal(t, int64(20), n)
	list, next, err := b.chat.ListMessages(t.Context(), by(b.patient), c.ID, 0, 0)
	require.NoError(t, err)
	require.Zero(t, next)
	for i, m := range list {
		require.Equal(t, int64(20-i), m.Number)
		if i > 0 {
			require.False(t, m.WrittenAt.After(list[i-1].WrittenAt), "the order of times is that of numbers")
		}
	}
}

func TestWrite_AppendsAnEventWithoutTheText(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	m := b.write(t, b.nurse, c.ID)
	require.Equal(t, secret, m.Text)
	outboxtest.Require(t, b.db.App, "chat.message_created", subject(c.ID), outboxtest.Version(1), outboxtest.Person(b.patient.UserID), outboxtest.Clinic(b.here),
		outboxtest.Actor(b.nurse.ID), outboxtest.Data(event.ChatMessage{MessageID: m.ID, ConversationID: c.ID, UserID: b.patient.UserID, ClinicID: b.here, AuthorID: b.nurse.UserID}))
	b.later(3 * time.Minute)
	b.remind(t)
	_, _, err := b.chat.ListMessages(t.Context(), by(b.patient), c.ID, 0, 0)
	require.NoError(t, err)
	_, err = b.chat.WithdrawMessage(t.Context(), by(b.nurse), c.ID, m.ID)
	require.NoError(t, err)
	var said int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT count(*) FROM outbox AS o WHERE strpos(o::text, $1) > 0", secret).Scan(&said))
	require.Zero(t, said, "neither text nor subject are in an event")

	for text, field := range map[string]string{"": "text", " \n\t": "text", strings.Repeat("x", 4001): "text", "a\x00b": "text", "\xff": "text"} {
		requireCode(t, second(b.chat.CreateMessage(t.Context(), by(b.nurse), c.ID, chat.NewMessage{Text: text})), care.Invalid, field)
	}
	long, err := b.chat.CreateMessage(t.Context(), by(b.nurse), c.ID, chat.NewMessage{Text: strings.Repeat("ä", 4000)})
	require.NoError(t, err)
	require.Equal(t, int64(2), long.Number, "a refused message has no number")
}

func TestMessages_ArePagedByNumberAndAudited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	var want []uuid.UUID
	for range 5 {
		want = append([]uuid.UUID{b.write(t, b.patient, c.ID).ID}, want...)
	}
	var got []uuid.UUID
	for before := int64(0); ; {
		list, next, err := b.chat.ListMessages(t.Context(), by(b.doctor), c.ID, before, 2)
		require.NoError(t, err)
		page := []uuid.UUID{}
		for _, m := range list {
			page = append(page, m.ID)
		}
		got = append(got, page...)
		outboxtest.Require(t, b.db.App, "record.read", outboxtest.Actor(b.doctor.ID), outboxtest.Person(b.patient.UserID), outboxtest.Clinic(b.here),
			outboxtest.Data(map[string]any{"action": "list", "recordIds": page}))
		b.write(t, b.nurse, c.ID)
		if before = next; next == 0 {
			break
		}
	}
	require.Equal(t, want, got)
	_, _, err := b.chat.ListMessages(t.Context(), by(b.doctor), c.ID, 0, 201)
	requireCode(t, err, care.Invalid, "limit")
	one, err := b.chat.GetMessage(t.Context(), by(b.nurse), c.ID, want[0])
	require.NoError(t, err)
	require.Equal(t, secret, one.Text)
	outboxtest.Require(t, b.db.App, "record.read", subject(c.ID), outboxtest.Actor(b.nurse.ID), outboxtest.Data(map[string]any{"action": "read", "recordIds": want[:1]}))
	requireCode(t, second(b.chat.GetMessage(t.Context(), by(b.nurse), c.ID, c.ID)), care.NotFound)
	empty := b.begin(t, b.patient)
	list, _, err := b.chat.ListMessages(t.Context(), by(b.colleague), empty.ID, 0, 0)
	require.NoError(t, err)
	require.Empty(t, list)
	outboxtest.Require(t, b.db.App, "record.read", outboxtest.Actor(b.colleague.ID))
}

func TestWithdraw_HidesTheTextAndKeepsIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	m := b.write(t, b.patient, c.ID)
	requireCode(t, second(b.chat.WithdrawMessage(t.Context(), by(b.doctor), c.ID, m.ID)), care.Forbidden)
	outboxtest.Require(t, b.db.App, "access.denied", subject(c.ID), outboxtest.Actor(b.doctor.ID))
	requireCode(t, second(b.chat.WithdrawMessage(t.Context(), by(b.patient), c.ID, uuid.New())), care.NotFound)
	other := b.begin(t, b.patient)
	requireCode(t, second(b.chat.WithdrawMessage(t.Context(), by(b.patient), other.ID, m.ID)), care.NotFound)
	for range 2 {
		got, err := b.chat.WithdrawMessage(t.Context(), by(b.patient), c.ID, m.ID)
		require.NoError(t, err)
		require.Empty(t, got.Text)
		require.NotNil(t, got.WithdrawnAt)
	}
	outboxtest.Require(t, b.db.App, "chat.message_withdrawn", subject(c.ID), outboxtest.Data(map[string]any{"messageId": m.ID}))
	for _, actor := range []care.Actor{b.patient, b.doctor} {
		list, _, err := b.chat.ListMessages(t.Context(), by(actor), c.ID, 0, 0)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Empty(t, list[0].Text)
	}
	var text string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT text FROM conversation_messages WHERE id = $1", m.ID).Scan(&text))
	require.Equal(t, secret, text, "kept for the audit")
	_, err := b.db.App.Exec(t.Context(), "UPDATE conversation_messages SET text = ''")
	require.Error(t, err, "no message is changed")
	_, err = b.db.App.Exec(t.Context(), "DELETE FROM conversation_messages")
	require.Error(t, err)
}

func TestMarkRead_MovesForwardOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	messages := []chat.Message{b.write(t, b.patient, c.ID), b.write(t, b.patient, c.ID), b.write(t, b.patient, c.ID)}
	requireRead := func(number, unread int64) {
		t.Helper()
		got, err := b.chat.Get(t.Context(), by(b.doctor), c.ID)
		require.NoError(t, err)
		require.Equal(t, []int64{number, unread}, []int64{got.ReadNumber, got.Unread})
	}
	requireRead(0, 3)
	b.read(t, b.doctor, messages[1])
	requireRead(2, 1)
	b.read(t, b.doctor, messages[0])
	requireRead(2, 1)
	for _, err := range at(9, func(i int) error {
		return b.chat.MarkRead(t.Context(), by(b.doctor), c.ID, chat.ReadMark{MessageID: messages[i%3].ID})
	}) {
		require.NoError(t, err)
	}
	requireRead(3, 0)
	other := b.write(t, b.patient, b.begin(t, b.patient).ID)
	requireCode(t, b.chat.MarkRead(t.Context(), by(b.doctor), c.ID, chat.ReadMark{MessageID: other.ID}), care.Invalid, "messageId")
}
