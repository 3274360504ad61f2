package chat_test

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/chat"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// testBundle is a database with two clinics. The doctor, the nurse and the colleague are on the patient's care team at here;
// the other doctor works there, and the stranger at the other clinic.
type testBundle struct {
	db          *postgrestest.DB
	chat        *chat.Service
	here, there uuid.UUID

	patient, neighbour, doctor, nurse, colleague, otherDoctor, receptionist, admin, auditor, operator, stranger care.Actor
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	db := postgrestest.New(t)
	b := &testBundle{db: db, here: uuid.New(), there: uuid.New()}
	b.chat = chat.New(outbox.NewWriter(db.App, outbox.NewWaker(db.App, slog.New(slog.DiscardHandler))))
	b.exec(t, "INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Clinic', 'UTC'), ($2, 'Clinic', 'UTC')", b.here, b.there)
	b.patient, b.neighbour = b.person(t, care.Patient, &b.here), b.person(t, care.Patient, &b.here)
	b.doctor, b.colleague, b.otherDoctor = b.person(t, care.Doctor, &b.here), b.person(t, care.Doctor, &b.here), b.person(t, care.Doctor, &b.here)
	b.nurse, b.receptionist, b.admin = b.person(t, care.Nurse, &b.here), b.person(t, care.Receptionist, &b.here), b.person(t, care.Admin, &b.here)
	b.auditor, b.operator, b.stranger = b.person(t, care.Auditor, nil), b.person(t, care.Operator, nil), b.person(t, care.Doctor, &b.there)
	for _, member := range []care.Actor{b.doctor, b.nurse, b.colleague} {
		b.exec(t, "INSERT INTO care_team (patient_id, clinic_id, member_id) VALUES ($1, $2, $3)", b.patient.UserID, b.here, member.UserID)
	}
	return b
}

func (b *testBundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.db.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (b *testBundle) person(t *testing.T, role care.Role, clinic *uuid.UUID) care.Actor {
	t.Helper()
	id := uuid.New()
	b.exec(t, "INSERT INTO users (id, email, given_name, family_name) VALUES ($1, $2, 'Wilhelmina', 'Murgatroyd')", id, id.String()+"@murgatroyd.example")
	b.exec(t, "INSERT INTO memberships (id, user_id, clinic_id, role) VALUES ($1, $2, $3, $4)", uuid.New(), id, clinic, role)
	return care.Actor{ID: id.String(), UserID: id, Memberships: []care.Membership{{ClinicID: clinic, Role: role}}}
}

func by(actor care.Actor) care.Command {
	return care.Command{Actor: actor, CorrelationID: "req-1"}
}

// input is a conversation about the patient, here.
func (b *testBundle) input() chat.NewConversation {
	return chat.NewConversation{PatientID: b.patient.UserID, ClinicID: b.here, Subject: secret}
}

// secret stands for what must be nowhere but in the conversation.
const secret = "Haemochromatosis-7731"

func (b *testBundle) begin(t *testing.T, actor care.Actor) chat.Conversation {
	t.Helper()
	c, err := b.chat.Create(t.Context(), by(actor), b.input())
	require.NoError(t, err)
	return c
}

func (b *testBundle) write(t *testing.T, actor care.Actor, id uuid.UUID) chat.Message {
	t.Helper()
	m, err := b.chat.CreateMessage(t.Context(), by(actor), id, chat.NewMessage{Text: secret})
	require.NoError(t, err)
	return m
}

func (b *testBundle) read(t *testing.T, actor care.Actor, m chat.Message) {
	t.Helper()
	require.NoError(t, b.chat.MarkRead(t.Context(), by(actor), m.ConversationID, chat.ReadMark{MessageID: m.ID}))
}

// leave takes the member off the patient's care team.
func (b *testBundle) leave(t *testing.T, member care.Actor) {
	t.Helper()
	b.exec(t, "DELETE FROM care_team WHERE member_id = $1", member.UserID)
}

// later makes the service believe that so much time has passed.
func (b *testBundle) later(d time.Duration) {
	b.chat.SetClock(func() time.Time { return time.Now().Add(d) })
}

// remind reminds, and gives how many were.
func (b *testBundle) remind(t *testing.T) int {
	t.Helper()
	n, err := b.chat.SweepUnread(t.Context())
	require.NoError(t, err)
	return n
}

func ids(actors ...care.Actor) []uuid.UUID {
	list := make([]uuid.UUID, len(actors))
	for i, a := range actors {
		list[i] = a.UserID
	}
	return list
}

func people(c chat.Conversation) []uuid.UUID {
	list := make([]uuid.UUID, len(c.Participants))
	for i, p := range c.Participants {
		list[i] = p.UserID
	}
	return list
}

// at runs fn n times at once and gives the errors.
func at(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = fn(i) })
	}
	wg.Wait()
	return errs
}

func requireCode(t *testing.T, err error, code care.Code, fields ...string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, care.CodeOf(err), "%v", err)
	require.NotContains(t, err.Error(), secret[:6])
	var e *care.Error
	require.ErrorAs(t, err, &e)
	var named []string
	for _, f := range e.Fields {
		named = append(named, f.Field)
	}
	if len(fields) > 0 {
		require.Equal(t, fields, named)
	}
}
