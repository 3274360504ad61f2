package chat_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/chat"
	"carewire/internal/event"
	"carewire/internal/outbox/outboxtest"
	"carewire/internal/postgres/db"
)

// reminded returns the number of the person's reminders.
func (b *testBundle) reminded(t *testing.T, who care.Actor) (n int) {
	t.Helper()
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT count(*) FROM outbox WHERE type = 'chat.message_unread' AND person_id = $1", who.UserID).Scan(&n))
	return n
}

func TestRemind_RemindsOnceAfterTwoMinutesUntilTheyRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	first := b.write(t, b.patient, c.ID)
	b.read(t, b.nurse, first)
	require.Zero(t, b.remind(t), "not at once")
	b.later(119 * time.Second)
	require.Zero(t, b.remind(t))
	b.later(121 * time.Second)
	require.Equal(t, 2, b.remind(t), "the doctor and the colleague: not the author, and not who has read")
	outboxtest.Require(t, b.db.App, "chat.message_unread", subject(c.ID), outboxtest.Person(b.doctor.UserID), outboxtest.Clinic(b.here), outboxtest.Actor("system:chat"),
		outboxtest.Data(event.ChatUnread{MessageID: first.ID, ConversationID: c.ID, UserID: b.doctor.UserID, ClinicID: b.here}))

	// Further unread messages cause no more reminders, except for those who have read.
	second := b.write(t, b.patient, c.ID)
	b.later(10 * time.Minute)
	require.Equal(t, 1, b.remind(t))
	require.Equal(t, []int{1, 1, 1, 0}, []int{b.reminded(t, b.doctor), b.reminded(t, b.nurse), b.reminded(t, b.colleague), b.reminded(t, b.patient)})
	outboxtest.Require(t, b.db.App, "chat.message_unread", outboxtest.Person(b.nurse.UserID), outboxtest.Data(map[string]any{"messageId": second.ID}))

	b.read(t, b.doctor, second)
	require.Zero(t, b.remind(t), "read")
	b.write(t, b.patient, c.ID)
	require.Equal(t, 1, b.remind(t), "a new period")
	require.Equal(t, 2, b.reminded(t, b.doctor))
}

func TestRemind_DoesNotRepeatAReminder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.doctor)
	first := b.write(t, b.patient, c.ID)
	b.write(t, b.patient, c.ID)
	b.later(3 * time.Minute)
	require.Equal(t, 1, b.remind(t))
	b.read(t, b.doctor, first)
	require.Zero(t, b.remind(t), "the second was unread when they were reminded")
	third := b.write(t, b.patient, c.ID)
	require.Equal(t, 1, b.remind(t))
	outboxtest.Require(t, b.db.App, "chat.message_unread", outboxtest.Data(map[string]any{"messageId": third.ID}))
}

func TestRemind_ConcurrentlyIsExactlyOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 10 {
		b.write(t, b.patient, b.begin(t, b.patient).ID)
	}
	b.later(3 * time.Minute)
	var total atomic.Int64
	for _, err := range at(8, func(int) error {
		n, err := b.chat.SweepUnread(t.Context())
		total.Add(int64(n))
		return err
	}) {
		require.NoError(t, err)
	}
	require.Equal(t, int64(30), total.Load())
	for _, who := range []care.Actor{b.doctor, b.nurse, b.colleague} {
		require.Equal(t, 10, b.reminded(t, who))
	}
	require.Zero(t, b.remind(t))
}

func TestRemind_ContinuesUntilAllAreReminded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, `INSERT INTO conversations SELECT gen_random_uuid(), $1, $2, '', 1, now(), now(), '' FROM generate_series(1, 450)`, b.here, b.patient.UserID)
	b.Exec(t, `INSERT INTO conversation_messages SELECT gen_random_uuid(), id, 1, $1, 'x', now() FROM conversations`, b.doctor.UserID)
	b.Exec(t, `INSERT INTO conversation_participants (conversation_id, user_id, joined_at, last_activity_at, unread_since) SELECT id, patient_id, now(), now(), now() FROM conversations`)
	b.later(3 * time.Minute)
	require.Equal(t, 450, b.remind(t))
	require.Equal(t, 450, b.reminded(t, b.patient))
}

func TestRemind_IgnoresWithdrawnMessagesAndFormerParticipants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	wrong, right := b.write(t, b.patient, c.ID), b.write(t, b.patient, c.ID)
	for _, m := range []chat.Message{wrong, right} {
		require.NoError(t, second(b.chat.WithdrawMessage(t.Context(), by(b.patient), c.ID, m.ID)))
	}
	b.later(3 * time.Minute)
	require.Zero(t, b.remind(t))
	again := b.write(t, b.patient, c.ID)
	b.leave(t, b.nurse)
	require.NoError(t, b.chat.RemoveParticipant(t.Context(), by(b.doctor), c.ID, b.colleague.UserID))
	require.Equal(t, 1, b.remind(t), "the doctor alone")
	outboxtest.Require(t, b.db.App, "chat.message_unread", outboxtest.Person(b.doctor.UserID), outboxtest.Data(map[string]any{"messageId": again.ID}))

	// A new participant is not reminded of earlier messages.
	require.NoError(t, second(b.chat.AddParticipant(t.Context(), by(b.doctor), c.ID, chat.NewParticipant{UserID: b.colleague.UserID})))
	require.Zero(t, b.remind(t))
	b.write(t, b.doctor, c.ID)
	require.Equal(t, 2, b.remind(t), "the colleague and the patient")
}

func TestRemind_DuringReadingNeitherLosesNorRepeats(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.doctor)
	b.later(3 * time.Minute) // Every unread message is due at once.
	var written [30]uuid.UUID
	for _, err := range at(3, func(i int) error {
		for n := range written {
			var err error
			switch i {
			case 0:
				var m chat.Message
				m, err = b.chat.CreateMessage(t.Context(), by(b.patient), c.ID, chat.NewMessage{Text: secret})
				written[n] = m.ID
			case 1:
				var list []chat.Message
				if list, _, err = b.chat.ListMessages(t.Context(), by(b.doctor), c.ID, 0, 1); err == nil && len(list) > 0 {
					err = b.chat.MarkRead(t.Context(), by(b.doctor), c.ID, chat.ReadMark{MessageID: list[0].ID})
				}
			default:
				_, err = b.chat.SweepUnread(t.Context())
			}
			if err != nil {
				return err
			}
		}
		return nil
	}) {
		require.NoError(t, err)
	}
	b.remind(t)
	// Everyone with an unread message was reminded since they last read.
	var forgotten, twice int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM conversation_participants AS p JOIN conversations AS c ON c.id = p.conversation_id
		WHERE p.user_id = $1 AND p.read_number < c.last_number AND p.reminded_number <= p.read_number`, b.doctor.UserID).Scan(&forgotten))
	require.Zero(t, forgotten)
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM (
		SELECT 1 FROM outbox WHERE type = 'chat.message_unread' GROUP BY data ->> 'messageId' HAVING count(*) > 1) AS x`).Scan(&twice))
	require.Zero(t, twice, "no message is told of twice")
}

// under runs fn in a transaction with the service's role; commit ends it.
func (b *testBundle) under(t *testing.T, fn func(q *db.Queries)) (commit func()) {
	t.Helper()
	tx, err := b.db.App.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	_, err = tx.Exec(t.Context(), "SELECT set_config('carewire.scope', 'system', true)")
	require.NoError(t, err)
	fn(db.New(tx))
	return func() { require.NoError(t, tx.Commit(t.Context())) }
}

func TestRemind_SkipsLockedRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write(t, b.patient, b.begin(t, b.doctor).ID)
	b.later(3 * time.Minute)
	commit := b.under(t, func(q *db.Queries) {
		rows, err := q.ParticipantRemind(t.Context(), db.ParticipantRemindParams{Cutoff: time.Now().Add(time.Minute), RowLimit: 10})
		require.NoError(t, err)
		require.Len(t, rows, 1)
	})
	require.Zero(t, b.remind(t), "it does not wait")
	commit()
	require.Zero(t, b.remind(t))
}

func TestMarkRead_DoesNotMissAConcurrentMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.doctor)
	first := b.write(t, b.patient, c.ID)
	commit := b.under(t, func(q *db.Queries) {
		_, err := q.ConversationLock(t.Context(), c.ID)
		require.NoError(t, err)
		_, err = q.MessageWrite(t.Context(), db.MessageWriteParams{ID: uuid.New(), ConversationID: c.ID, AuthorID: b.patient.UserID, Text: secret})
		require.NoError(t, err)
	})
	done := make(chan error, 1)
	go func() {
		done <- b.chat.MarkRead(t.Context(), by(b.doctor), c.ID, chat.ReadMark{MessageID: first.ID})
	}()
	require.Eventually(t, func() bool {
		var waiting bool
		require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT EXISTS (
			SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted)`).Scan(&waiting))
		return waiting
	}, 20*time.Second, 5*time.Millisecond)
	commit()
	require.NoError(t, <-done)
	b.later(3 * time.Minute)
	require.Equal(t, 1, b.remind(t), "the second message is unread")
}
