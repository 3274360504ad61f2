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

// Service serves conversations. It is safe for concurrent use.
type Service struct {
	writer *outbox.Writer
	now    func() time.Time
}

// New makes the service on a writer of the role carewire_app.
func New(writer *outbox.Writer) *Service {
	return &Service{writer: writer, now: time.Now}
}

// Create begins a conversation. One that a patient begins has their whole care team in it; one that a member of the team
// begins has them and the patient, and they add others. Errors: care.Invalid by field; care.Forbidden for who is neither;
// care.Conflict for a patient without a care team at the clinic.
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

// beginners settles whether the actor may begin the conversation, and who takes part from the start. It comes before the
// look at the rest of the input: a stranger learns nothing from what is wrong with it.
func initialParticipants(ctx context.Context, q *db.Queries, cmd care.Command, n NewConversation) ([]uuid.UUID, error) {
	team, err := q.ConversationTeam(ctx, db.ConversationTeamParams{PatientID: n.PatientID, ClinicID: n.ClinicID})
	if err != nil {
		return nil, fmt.Errorf("read care team: %w", err)
	}
	actor := cmd.Actor
	switch {
	case n.PatientID == actor.UserID && actor.MayAt(n.ClinicID, care.ConversationCreate, care.Own):
		if len(team) == 0 {
			return nil, care.Errorf(care.Conflict, "nobody is on your care team at this clinic who could answer: ask the clinic")
		}
		return append([]uuid.UUID{n.PatientID}, team...), nil
	case !slices.Contains(team, actor.UserID) || !actor.MayAt(n.ClinicID, care.ConversationCreate, care.CareTeam):
		answer := care.Errorf(care.Forbidden, "you may begin a conversation for yourself at your clinic, or with a patient on whose care team there you are")
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

// whole is the conversation with who takes part in it.
func whole(ctx context.Context, q *db.Queries, row db.Conversation, readNumber, unread int64) (Conversation, error) {
	people, err := participants(ctx, q, row.ID)
	if err != nil {
		return Conversation{}, err
	}
	return conversation(row, readNumber, unread, people[row.ID]), nil
}

// participants lists who takes part in the conversations, by conversation.
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

// entry is who is to take part.
type joining struct {
	people []uuid.UUID
	// seesAfter is the number of the last message that they are not shown.
	seesAfter int64
	// addedBy is the id of who adds them; nil for those who take part from the beginning.
	addedBy *string
}

// join lets the people take part who do not yet, and gives the events.
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

// moved tells that a person joined or left.
func participantEvent(cmd care.Command, how string, row db.Conversation, userID uuid.UUID) event.Event {
	return event.New(cmd, "chat.participant_"+how, ref(row.ID), event.ChatParticipant{
		ConversationID: row.ID, UserID: userID, ClinicID: row.ClinicID, PatientID: row.PatientID,
	}).About(cmd, userID, &row.ClinicID)
}
