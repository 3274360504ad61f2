package chat_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/chat"
	"carewire/internal/event"
	"carewire/internal/outbox/outboxtest"
)

func subject(id uuid.UUID) outboxtest.Want {
	return outboxtest.Subject(care.Ref{Kind: "conversation", ID: id})
}

func TestCreate_IsForPatientsThemselvesAndForTheirCareTeam(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	require.ElementsMatch(t, ids(b.patient, b.doctor, b.nurse, b.colleague), people(c), "a patient begins with their whole team")
	require.Equal(t, secret, c.Subject)
	outboxtest.RequireCount(t, b.db.App, 4, "chat.participant_joined", subject(c.ID), outboxtest.Actor(b.patient.ID))
	outboxtest.Require(t, b.db.App, "chat.participant_joined", outboxtest.Person(b.nurse.UserID), outboxtest.Clinic(b.here),
		outboxtest.Data(event.ChatParticipant{ConversationID: c.ID, UserID: b.nurse.UserID, ClinicID: b.here, PatientID: b.patient.UserID}))
	require.ElementsMatch(t, ids(b.patient, b.nurse), people(b.begin(t, b.nurse)), "a member of the team begins with the patient")

	for name, actor := range map[string]care.Actor{
		"not on the team": b.otherDoctor, "receptionist": b.receptionist, "admin": b.admin, "another patient": b.neighbour,
		"another clinic's doctor": b.stranger, "operator": b.operator, "auditor": b.auditor, "a program": care.ServiceActor(uuid.New(), []care.Membership{{ClinicID: &b.here, Role: care.Service}}),
	} {
		_, err := b.chat.Create(t.Context(), by(actor), b.input())
		requireCode(t, err, care.Forbidden)
		outboxtest.Require(t, b.db.App, "access.denied", outboxtest.Actor(actor.ID), outboxtest.Clinic(b.here), outboxtest.Data(map[string]any{"action": "conversation.create"}))
		require.NotEmpty(t, name)
	}
	in := b.input()
	in.PatientID = b.neighbour.UserID
	_, err := b.chat.Create(t.Context(), by(b.neighbour), in)
	requireCode(t, err, care.Conflict) // Nobody is on their care team.
	in = b.input()
	in.Subject = strings.Repeat("x", 201)
	_, err = b.chat.Create(t.Context(), by(b.doctor), in)
	requireCode(t, err, care.Invalid, "subject")
	in.ClinicID = uuid.Nil
	_, err = b.chat.Create(t.Context(), by(b.doctor), in)
	requireCode(t, err, care.Invalid, "clinicId")
	b.exec(t, "UPDATE memberships SET revoked_at = now() WHERE user_id = $1", b.patient.UserID)
	_, err = b.chat.Create(t.Context(), by(b.doctor), b.input())
	requireCode(t, err, care.Invalid, "patientId")
}

func TestConversation_IsHiddenFromNonParticipants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.doctor)
	m := b.write(t, b.doctor, c.ID)
	for _, actor := range []care.Actor{b.patient, b.doctor} {
		got, err := b.chat.Get(t.Context(), by(actor), c.ID)
		require.NoError(t, err)
		require.Equal(t, int64(1), got.Messages)
		outboxtest.Require(t, b.db.App, "record.read", subject(c.ID), outboxtest.Actor(actor.ID), outboxtest.Person(b.patient.UserID))
	}
	_, missing := b.chat.Get(t.Context(), by(b.doctor), uuid.New())
	// The nurse is on the care team, but not a participant.
	for _, actor := range []care.Actor{b.nurse, b.otherDoctor, b.receptionist, b.admin, b.neighbour, b.stranger, b.operator, b.auditor} {
		for action, try := range map[string]func() error{
			"conversation.read": func() error { _, err := b.chat.Get(t.Context(), by(actor), c.ID); return err },
			"message.write": func() error {
				_, err := b.chat.CreateMessage(t.Context(), by(actor), c.ID, chat.NewMessage{Text: secret})
				return err
			},
			"conversation.manage": func() error {
				_, err := b.chat.AddParticipant(t.Context(), by(actor), c.ID, chat.NewParticipant{UserID: actor.UserID})
				return err
			},
		} {
			err := try()
			requireCode(t, err, care.NotFound)
			require.Equal(t, missing.Error(), err.Error(), "a hidden one looks like a missing one")
			outboxtest.Require(t, b.db.App, "access.denied", subject(c.ID), outboxtest.Actor(actor.ID), outboxtest.Person(b.patient.UserID),
				outboxtest.Clinic(b.here), outboxtest.Data(map[string]any{"action": action}))
		}
		for _, err := range []error{
			b.chat.RemoveParticipant(t.Context(), by(actor), c.ID, b.doctor.UserID),
			b.chat.MarkRead(t.Context(), by(actor), c.ID, chat.ReadMark{MessageID: m.ID}),
			second(b.chat.WithdrawMessage(t.Context(), by(actor), c.ID, m.ID)),
			second(b.chat.GetMessage(t.Context(), by(actor), c.ID, m.ID)),
			third(b.chat.ListMessages(t.Context(), by(actor), c.ID, 0, 0)),
		} {
			requireCode(t, err, care.NotFound)
		}
		room, in, err := b.chat.InConversation(t.Context(), actor.UserID, c.ID)
		require.NoError(t, err)
		require.False(t, in)
		require.Zero(t, room)
	}
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

func TestParticipants_AreAddedAndRemovedByTheClinicOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.doctor)
	m := b.write(t, b.doctor, c.ID)
	for range 2 { // Adding a participant again is not an error.
		got, err := b.chat.AddParticipant(t.Context(), by(b.doctor), c.ID, chat.NewParticipant{UserID: b.nurse.UserID})
		require.NoError(t, err)
		require.Contains(t, people(got), b.nurse.UserID)
	}
	outboxtest.Require(t, b.db.App, "chat.participant_joined", outboxtest.Person(b.nurse.UserID), outboxtest.Actor(b.doctor.ID))
	for _, who := range []care.Actor{b.otherDoctor, b.receptionist, b.stranger, b.neighbour} {
		requireCode(t, second(b.chat.AddParticipant(t.Context(), by(b.doctor), c.ID, chat.NewParticipant{UserID: who.UserID})), care.Invalid, "userId")
	}
	requireCode(t, second(b.chat.AddParticipant(t.Context(), by(b.patient), c.ID, chat.NewParticipant{UserID: b.colleague.UserID})), care.Forbidden)
	requireCode(t, b.chat.RemoveParticipant(t.Context(), by(b.patient), c.ID, b.nurse.UserID), care.Forbidden)
	outboxtest.RequireCount(t, b.db.App, 2, "access.denied", subject(c.ID), outboxtest.Actor(b.patient.ID), outboxtest.Data(map[string]any{"action": "conversation.manage"}))
	requireCode(t, b.chat.RemoveParticipant(t.Context(), by(b.nurse), c.ID, b.patient.UserID), care.Conflict)
	requireCode(t, b.chat.RemoveParticipant(t.Context(), by(b.nurse), c.ID, b.colleague.UserID), care.NotFound)

	requireCode(t, b.chat.RemoveParticipant(t.Context(), by(b.nurse), c.ID, b.doctor.UserID), care.Forbidden) // Who began it.
	require.NoError(t, b.chat.RemoveParticipant(t.Context(), by(b.doctor), c.ID, b.doctor.UserID), "one's own part")
	outboxtest.Require(t, b.db.App, "chat.participant_left", subject(c.ID), outboxtest.Person(b.doctor.UserID), outboxtest.Actor(b.doctor.ID))
	requireCode(t, second(b.chat.Get(t.Context(), by(b.doctor), c.ID)), care.NotFound)
	requireCode(t, second(b.chat.WithdrawMessage(t.Context(), by(b.doctor), c.ID, m.ID)), care.NotFound)
	got, err := b.chat.AddParticipant(t.Context(), by(b.nurse), c.ID, chat.NewParticipant{UserID: b.doctor.UserID})
	require.NoError(t, err)
	require.Len(t, got.Participants, 3)
	outboxtest.RequireCount(t, b.db.App, 2, "chat.participant_joined", outboxtest.Person(b.doctor.UserID))

	requireCode(t, b.chat.RemoveParticipant(t.Context(), by(b.nurse), c.ID, b.doctor.UserID), care.Forbidden) // The doctor began it.
	require.NoError(t, b.chat.RemoveParticipant(t.Context(), by(b.doctor), c.ID, b.doctor.UserID))
	require.NoError(t, b.chat.RemoveParticipant(t.Context(), by(b.nurse), c.ID, b.nurse.UserID), "one's own part")
	_, err = b.chat.CreateMessage(t.Context(), by(b.patient), c.ID, chat.NewMessage{Text: secret})
	requireCode(t, err, care.Conflict) // To nobody.
}

func TestParticipants_LeaveWithTheCareTeamAndAreReportedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	b.leave(t, b.nurse)
	requireCode(t, second(b.chat.Get(t.Context(), by(b.nurse), c.ID)), care.NotFound)
	requireCode(t, second(b.chat.CreateMessage(t.Context(), by(b.nurse), c.ID, chat.NewMessage{Text: secret})), care.NotFound)
	_, in, err := b.chat.InConversation(t.Context(), b.nurse.UserID, c.ID)
	require.NoError(t, err)
	require.False(t, in)
	list, err := b.chat.List(t.Context(), by(b.nurse), "", 0)
	require.NoError(t, err)
	require.Empty(t, list.Items)
	got, err := b.chat.Get(t.Context(), by(b.patient), c.ID)
	require.NoError(t, err)
	require.NotContains(t, people(got), b.nurse.UserID)

	for _, err := range at(8, func(int) error { return second(b.chat.SweepDepartures(t.Context())) }) {
		require.NoError(t, err)
	}
	outboxtest.Require(t, b.db.App, "chat.participant_left", subject(c.ID), outboxtest.Person(b.nurse.UserID), outboxtest.Actor("system:chat"), outboxtest.Clinic(b.here))
	// Being on the team again does not bring the old conversations back.
	b.exec(t, "INSERT INTO care_team (patient_id, clinic_id, member_id) VALUES ($1, $2, $3)", b.patient.UserID, b.here, b.nurse.UserID)
	requireCode(t, second(b.chat.Get(t.Context(), by(b.nurse), c.ID)), care.NotFound)
}

func TestInConversation_DependsOnTheRoleExceptForThePatient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	where := func(actor care.Actor) (uuid.UUID, bool) {
		room, in, err := b.chat.InConversation(t.Context(), actor.UserID, c.ID)
		require.NoError(t, err)
		return room.ClinicID, in
	}
	clinic, in := where(b.doctor)
	require.True(t, in)
	require.Equal(t, b.here, clinic)
	b.exec(t, "UPDATE memberships SET revoked_at = now()")
	_, in = where(b.doctor)
	require.False(t, in)
	clinic, in = where(b.patient)
	require.True(t, in)
	require.Zero(t, clinic)
	b.exec(t, "UPDATE users SET status = 'disabled'")
	_, in = where(b.patient)
	require.False(t, in)
}

func TestPatients_ReadForeverAndWriteWhileAtTheClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.begin(t, b.patient)
	m := b.write(t, b.patient, c.ID)
	gone := b.patient
	gone.Memberships = []care.Membership{{ClinicID: &b.there, Role: care.Patient}}
	list, _, err := b.chat.ListMessages(t.Context(), by(gone), c.ID, 0, 0)
	require.NoError(t, err)
	require.Len(t, list, 1)
	b.read(t, gone, m)
	requireCode(t, second(b.chat.CreateMessage(t.Context(), by(gone), c.ID, chat.NewMessage{Text: secret})), care.Forbidden)
	requireCode(t, second(b.chat.WithdrawMessage(t.Context(), by(gone), c.ID, m.ID)), care.Forbidden)
}

func TestList_ReturnsTheActorsNewestActivityFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var begun []uuid.UUID
	for range 5 {
		begun = append(begun, b.begin(t, b.doctor).ID)
	}
	theirs := b.begin(t, b.nurse)
	b.write(t, b.doctor, begun[1])
	newest := b.write(t, b.patient, begun[3])
	var got []uuid.UUID
	for cursor := ""; ; {
		page, err := b.chat.List(t.Context(), by(b.doctor), cursor, 2)
		require.NoError(t, err)
		for _, c := range page.Items {
			got = append(got, c.ID)
			require.ElementsMatch(t, ids(b.patient, b.doctor), people(c))
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	require.Equal(t, []uuid.UUID{begun[3], begun[1], begun[4], begun[2], begun[0]}, got)
	require.NotContains(t, got, theirs.ID)
	outboxtest.RequireCount(t, b.db.App, 3, "record.read", outboxtest.Actor(b.doctor.ID), outboxtest.Subject(care.Ref{Kind: "patient", ID: b.patient.UserID}))

	page, err := b.chat.List(t.Context(), by(b.doctor), "", 1)
	require.NoError(t, err)
	require.Equal(t, int64(1), page.Items[0].Unread)
	require.Equal(t, newest.Number, page.Items[0].Messages)
	mine, err := b.chat.List(t.Context(), by(b.patient), "", 0)
	require.NoError(t, err)
	require.Len(t, mine.Items, 6)
	require.Zero(t, mine.Items[0].Unread, "one's own message is not unread")
	for _, actor := range []care.Actor{b.receptionist, b.admin, b.operator, b.auditor} {
		_, err := b.chat.List(t.Context(), by(actor), "", 0)
		requireCode(t, err, care.Forbidden)
		outboxtest.Require(t, b.db.App, "access.denied", outboxtest.Actor(actor.ID))
	}
	_, err = b.chat.List(t.Context(), by(b.doctor), "nonsense", 0)
	requireCode(t, err, care.Invalid, "cursor")
	_, err = b.chat.List(t.Context(), by(b.doctor), "", 201)
	requireCode(t, err, care.Invalid, "limit")
}
