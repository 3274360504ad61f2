package event

import (
	"slices"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// conversation has every type that the room of a conversation shows to its participants; it is part
// of the Catalog. The subject of the events is "conversation/<id>"; their subject version is the
// number of the created message, and is set for created messages only.
var conversation = []Declaration{
	{"chat.message_created", CategoryChat, ChatMessage{}, false, nil, true, "A message was written in a conversation."},
	{"chat.message_withdrawn", CategoryChat, ChatMessage{}, false, nil, true, "A message was withdrawn by its author."},
	{"chat.participant_joined", CategoryChat, ChatParticipant{}, true, nil, true, "A person joined a conversation."},
	{"chat.participant_left", CategoryChat, ChatParticipant{}, true, nil, true, "A person left a conversation."},
}

// Conversation returns the conversation with the room that shows the event, or false for other
// types.
func (e Event) Conversation() (uuid.UUID, bool) {
	if !slices.ContainsFunc(conversation, func(d Declaration) bool { return d.Type == e.Type }) {
		return uuid.Nil, false
	}
	return SubjectID(e.Subject)
}

// ChatMessage is the data of chat.message_created and chat.message_withdrawn. UserID is the patient
// that the conversation is about. The text remains in the database.
type ChatMessage struct {
	MessageID      uuid.UUID `json:"messageId" doc:"The message; its text is read with the REST API."`
	ConversationID uuid.UUID `json:"conversationId" doc:"The conversation."`
	UserID         uuid.UUID `json:"userId" doc:"The patient that the conversation is about."`
	ClinicID       uuid.UUID `json:"clinicId" doc:"The clinic."`
	AuthorID       uuid.UUID `json:"authorId" doc:"The author."`
}

// ChatParticipant is the data of chat.participant_joined and chat.participant_left. UserID is the
// person who joined or left, PatientID the patient that the conversation is about.
type ChatParticipant struct {
	ConversationID uuid.UUID `json:"conversationId" doc:"The conversation."`
	UserID         uuid.UUID `json:"userId" doc:"The person who joined or left."`
	ClinicID       uuid.UUID `json:"clinicId" doc:"The clinic."`
	PatientID      uuid.UUID `json:"patientId" doc:"The patient that the conversation is about."`
}

// ChatUnread is the data of chat.message_unread. UserID is the person who has not read, MessageID
// their first unread message, and Number that of the newest: once they have read that, the reminder is
// not sent any more.
type ChatUnread struct {
	MessageID      uuid.UUID `json:"messageId" doc:"The first unread message."`
	ConversationID uuid.UUID `json:"conversationId" doc:"The conversation."`
	UserID         uuid.UUID `json:"userId" doc:"The person who has not read it."`
	ClinicID       uuid.UUID `json:"clinicId" doc:"The clinic."`
	Number         int64     `json:"number,omitempty" doc:"The number of the newest unread message in the conversation; 0 or absent in events of earlier releases." example:"12"`
}

func (ChatMessage) readAction() care.Action     { return care.ConversationRead }
func (ChatParticipant) readAction() care.Action { return care.ConversationRead }
func (ChatUnread) readAction() care.Action      { return care.ConversationRead }
