package chat_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/chat"
	"carewire/internal/outbox/outboxtest"
)

// cutOffs returns "version cause" of the person's cut-offs.
func (b *testBundle) cutOffs(t *testing.T, who care.Actor) []string {
	t.Helper()
	rows, err := b.db.Owner.Query(t.Context(), `SELECT version || ' ' || cause_type FROM subject_cutoffs WHERE recipient_id = $1 ORDER BY subject`, who.UserID)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return all
}

// waits inserts a notification of the person about a version of the conversation that waits for their
// quiet hours to end.
func (b *testBundle) waits(t *testing.T, id uuid.UUID, who care.Actor, version int64) {
	t.Helper()
	b.Exec(t, `INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template, subject_version, due_at)
		VALUES ($1, 1, $1, 'chat.message_unread', $2, $3, 'chat', 'normal', 'message-unread', 1, 'chat', $4, now() + interval '8 hours')`,
		uuid.New(), "conversation/"+id.String(), who.UserID, version)
}

// waiting returns how many notifications wait.
func (b *testBundle) waiting(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM notifications WHERE due_at IS NOT NULL`).Scan(&n))
	return n
}

func TestMarkRead_CutsOffWhatWasPlannedForThisPersonAboutTheMessages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	first, second := b.write(t, b.patient, c.ID), b.write(t, b.patient, c.ID)
	b.later(3 * time.Minute)
	require.Equal(t, 3, b.remind(t))
	outboxtest.Require(t, b.db.App, "chat.message_unread", outboxtest.Person(b.doctor.UserID), outboxtest.Data(map[string]any{"messageId": first.ID, "number": second.Number}))
	b.waits(t, c.ID, b.doctor, second.Number)
	b.waits(t, c.ID, b.nurse, second.Number)

	b.read(t, b.doctor, first)
	require.Equal(t, []string{"2 read"}, b.cutOffs(t, b.doctor))
	require.Equal(t, 2, b.waiting(t), "the second message is unread")
	b.read(t, b.doctor, second)
	require.Equal(t, []string{"3 read"}, b.cutOffs(t, b.doctor))
	require.Equal(t, 1, b.waiting(t), "the nurse's")
	outboxtest.Require(t, b.db.App, "notification.cancelled", outboxtest.Person(b.doctor.UserID), outboxtest.Actor(b.doctor.ID))
	require.Empty(t, b.cutOffs(t, b.nurse))
	b.read(t, b.doctor, first)
	require.Equal(t, []string{"3 read"}, b.cutOffs(t, b.doctor), "the mark only moves forward")
}

func TestRemind_TellsOfTheNewestMessageThatIsToBeRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.doctor)
	b.write(t, b.patient, c.ID)
	newest, withdrawn := b.write(t, b.patient, c.ID), b.write(t, b.patient, c.ID)
	require.NoError(t, second(b.chat.WithdrawMessage(t.Context(), by(b.patient), c.ID, withdrawn.ID)))
	b.write(t, b.doctor, c.ID)
	b.later(3 * time.Minute)
	require.Equal(t, 2, b.remind(t))
	outboxtest.Require(t, b.db.App, "chat.message_unread", outboxtest.Person(b.doctor.UserID), outboxtest.Data(map[string]any{"number": newest.Number}))
}

func TestRemoveParticipant_CutsOffWhatWasPlannedForThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	m := b.write(t, b.patient, c.ID)
	b.waits(t, c.ID, b.nurse, m.Number)
	b.waits(t, c.ID, b.doctor, m.Number)
	require.NoError(t, b.chat.RemoveParticipant(t.Context(), by(b.nurse), c.ID, b.nurse.UserID))
	require.Equal(t, []string{"2 chat.participant_left"}, b.cutOffs(t, b.nurse))
	require.Equal(t, 1, b.waiting(t), "the doctor's")
	outboxtest.Require(t, b.db.App, "notification.cancelled", outboxtest.Person(b.nurse.UserID))

	// Later messages are announced to whoever takes part again.
	require.NoError(t, second(b.chat.AddParticipant(t.Context(), by(b.doctor), c.ID, chat.NewParticipant{UserID: b.nurse.UserID})))
	again := b.write(t, b.patient, c.ID)
	require.Equal(t, int64(2), again.Number, "not below the cut-off")
}

func TestLeavingTheCareTeam_CutsOffInTheSameTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	b.begin(t, b.patient)
	m := b.write(t, b.patient, c.ID)
	b.waits(t, c.ID, b.nurse, m.Number)
	b.leave(t, b.nurse)
	require.ElementsMatch(t, []string{"2 chat.participant_left", "1 chat.participant_left"}, b.cutOffs(t, b.nurse))
	require.Empty(t, b.cutOffs(t, b.doctor))
	outboxtest.RequireNone(t, b.db.App, "notification.cancelled")

	left, err := b.chat.SweepDepartures(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, left)
	require.Zero(t, b.waiting(t))
	outboxtest.Require(t, b.db.App, "notification.cancelled", outboxtest.Person(b.nurse.UserID), outboxtest.Actor("system:chat"))
}
