package chat_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/chat"
	"carewire/internal/outbox"
)

// take imports the messages as the actor.
func (b *testBundle) take(t *testing.T, actor care.Actor, messages ...chat.Imported) (refused []error, err error) {
	t.Helper()
	writer := outbox.NewWriter(b.db.App, outbox.NewWaker(b.db.App, slog.New(slog.DiscardHandler)))
	cmd := care.Command{Actor: actor, Imported: true}
	err = writer.InTx(t.Context(), cmd, func(tx pgx.Tx) (err error) {
		refused, err = b.chat.ImportTx(t.Context(), tx, cmd, messages)
		return err
	})
	return refused, err
}

func TestImport_AddsTheCareTeamAndRemindsNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.New()
	message := func(text string, ago time.Duration) chat.Imported {
		return chat.Imported{
			ID: uuid.New(), ConversationID: id, ClinicID: b.here, PatientID: b.patient.UserID, AuthorID: b.patient.UserID,
			Text: text, WrittenAt: time.Now().Add(-ago),
		}
	}
	refused, err := b.take(t, care.SystemActor("import"), message("second", time.Hour), message(" ", time.Hour), message("first", 2*time.Hour))
	require.NoError(t, err)
	require.NoError(t, refused[0])
	requireCode(t, refused[1], care.Invalid, "text")
	require.NoError(t, refused[2])

	c, err := b.chat.Get(t.Context(), by(b.nurse), id)
	require.NoError(t, err)
	require.ElementsMatch(t, ids(b.patient, b.doctor, b.nurse, b.colleague), people(c))
	require.Equal(t, [2]int64{2, 0}, [2]int64{c.Messages, c.Unread})
	require.WithinDuration(t, time.Now().Add(-time.Hour), c.LastActivityAt, time.Minute)
	b.later(time.Hour)
	require.Zero(t, b.remind(t))

	b.write(t, b.patient, id)
	require.Equal(t, 3, b.remind(t), "everyone is reminded of a new message")
	b.leave(t, b.nurse)
	_, err = b.take(t, care.SystemActor("import"), message("third", 30*time.Minute))
	require.NoError(t, err)
	_, err = b.chat.Get(t.Context(), by(b.nurse), id)
	requireCode(t, err, care.NotFound)
}

func TestImport_IsForThePlatformOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, actor := range []care.Actor{b.patient, b.doctor, b.admin, b.operator} {
		_, err := b.take(t, actor, chat.Imported{ID: uuid.New(), ConversationID: uuid.New(), ClinicID: b.here, PatientID: b.patient.UserID, AuthorID: actor.UserID, Text: "x", WrittenAt: time.Now()})
		requireCode(t, err, care.Forbidden)
	}
}
