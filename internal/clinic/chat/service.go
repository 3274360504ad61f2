package chat

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Service manages conversations. It is safe for concurrent use.
type Service struct {
	writer *outbox.Writer
	now    func() time.Time
}

// New returns a service that uses a writer of the role carewire_app.
func New(writer *outbox.Writer) *Service {
	return &Service{writer: writer, now: time.Now}
}

// Create begins a conversation. If a patient begins it, their whole care team participates; if a
// member of the team does, only they and the patient do, and they may add others. It returns
// care.Invalid by field, care.Forbidden if the actor is neither, and care.Conflict if the patient
// has no care team at the clinic.
func (s *Service) Create(ctx context.Context, cmd care.Command, n NewConversation) (Conversation, error) {
	if n.ClinicID == uuid.Nil {
		return Conversation{}, care.InvalidField("clinicId", "must name the clinic")
	}
	var c Conversation
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		people, err := initialParticipants(ctx, q, cmd, n)
		if err != nil {
			return err
		}
		if err := n.check(); err != nil {
			return err
		}
		row, err := q.ConversationInsert(ctx, db.ConversationInsertParams{
			ID: uuid.Must(uuid.NewV7()), ClinicID: n.ClinicID, PatientID: n.PatientID, Subject: n.Subject, CreatedBy: cmd.Actor.ID,
		})
		if err != nil {
			return fmt.Errorf("insert conversation: %w", err)
		}
		events, err := addParticipants(ctx, q, cmd, row, joining{people: people})
		if err != nil {
			return err
		}
		if c, err = whole(ctx, q, row, 0, 0); err != nil {
			return err
		}
		return outbox.Append(ctx, tx, events...)
	})
	if err != nil {
		return Conversation{}, err
	}
	return c, nil
}

// initialParticipants returns who participates from the beginning, or a denial if the actor may not
// begin the conversation. It runs before the rest of the input is checked: others must not learn
// anything from its errors.
func initialParticipants(ctx context.Context, q *db.Queries, cmd care.Command, n NewConversation) ([]uuid.UUID, error) {
	team, err := q.ConversationTeam(ctx, db.ConversationTeamParams{PatientID: n.PatientID, ClinicID: n.ClinicID})
	if err != nil {
		return nil, fmt.Errorf("read care team: %w", err)
	}
	actor := cmd.Actor
	switch {
	case n.PatientID == actor.UserID && actor.MayAt(n.ClinicID, care.ConversationCreate, care.Own):
		if len(team) == 0 {
			return nil, care.Errorf(care.Conflict, "you have no care team at this clinic: ask the clinic")
		}
		return append([]uuid.UUID{n.PatientID}, team...), nil
	case !slices.Contains(team, actor.UserID) || !actor.MayAt(n.ClinicID, care.ConversationCreate, care.CareTeam):
		answer := care.Errorf(care.Forbidden, "you may only begin conversations for yourself at your clinic, or as a member of the patient's care team there")
		return nil, outbox.Deny(cmd, answer, care.ConversationCreate, care.Ref{Kind: "clinic", ID: n.ClinicID}, nil, &n.ClinicID)
	}
	good, err := q.MembershipActive(ctx, db.MembershipActiveParams{UserID: n.PatientID, ClinicID: n.ClinicID, Role: string(care.Patient)})
	if err != nil {
		return nil, fmt.Errorf("look up patient: %w", err)
	}
	if !good {
		return nil, care.InvalidField("patientId", "must be an active patient of this clinic")
	}
	return []uuid.UUID{n.PatientID, actor.UserID}, nil
}

// whole returns the conversation with its participants.
func whole(ctx context.Context, q *db.Queries, row db.Conversation, readNumber, unread int64) (Conversation, error) {
	people, err := participants(ctx, q, row.ID)
	if err != nil {
		return Conversation{}, err
	}
	return conversation(row, readNumber, unread, people[row.ID]), nil
}

// participants returns the participants by conversation.
func participants(ctx context.Context, q *db.Queries, ids ...uuid.UUID) (map[uuid.UUID][]Participant, error) {
	rows, err := q.ConversationParticipants(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read participants: %w", err)
	}
	people := map[uuid.UUID][]Participant{}
	for _, p := range rows {
		people[p.ConversationID] = append(people[p.ConversationID], participant(p))
	}
	return people, nil
}

// joining describes who is added to a conversation.
type joining struct {
	people []uuid.UUID
	// seesAfter is the number of the last message that they do not see.
	seesAfter int64
	// addedBy is the id of the person who adds them, nil for participants from the beginning.
	addedBy *string
}

// addParticipants adds the people who are not participants yet, and returns the events.
func addParticipants(ctx context.Context, q *db.Queries, cmd care.Command, row db.Conversation, e joining) ([]event.Event, error) {
	joined, err := q.ParticipantJoin(ctx, db.ParticipantJoinParams{
		ConversationID: row.ID, UserIds: e.people, SeesAfter: e.seesAfter, AddedBy: e.addedBy,
	})
	if err != nil {
		return nil, fmt.Errorf("insert participants: %w", err)
	}
	events := make([]event.Event, len(joined))
	for i, id := range joined {
		events[i] = participantEvent(cmd, "joined", row, id)
	}
	return events, nil
}

// participantEvent returns the event of a person who joined or left.
func participantEvent(cmd care.Command, how string, row db.Conversation, userID uuid.UUID) event.Event {
	return event.New(cmd, "chat.participant_"+how, ref(row.ID), event.ChatParticipant{
		ConversationID: row.ID, UserID: userID, ClinicID: row.ClinicID, PatientID: row.PatientID,
	}).About(cmd, userID, &row.ClinicID)
}
