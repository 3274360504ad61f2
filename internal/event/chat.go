package event

import (
	"slices"
	"strings"

	"github.com/google/uuid"
)

// conversation is every type that the room of a conversation shows to those who take part in it, part of the Catalog. Their
// subject is "conversation/<id>"; its version is the number of the message that was written, and only that.
var conversation = []Declaration{
	{"chat.message_created", Chat, ChatMessage{}, false, nil, true, "A message was written in a conversation."},
	{"chat.message_withdrawn", Chat, ChatMessage{}, false, nil, true, "A message was withdrawn by its author."},
	{"chat.participant_joined", Chat, ChatParticipant{}, true, nil, true, "A person takes part in a conversation from now on."},
	{"chat.participant_left", Chat, ChatParticipant{}, true, nil, true, "A person takes no longer part in a conversation."},
}

// Conversation tells in which conversation's room the event is shown; false for an event of any other kind.
func (e Event) Conversation() (uuid.UUID, bool) {
	if !slices.ContainsFunc(conversation, func(d Declaration) bool { return d.Type == e.Type }) {
		return uuid.Nil, false
	}
	_, text, _ := strings.Cut(e.Subject, "/")
	id, err := uuid.Parse(text)
	return id, err == nil
}

// ChatMessage is the data of chat.message_created and chat.message_withdrawn. UserID is the patient whom the conversation is
// about. The text stays in the database.
type ChatMessage struct {
	MessageID      uuid.UUID `json:"messageId" doc:"The message; its text is read with the REST API."`
	ConversationID uuid.UUID `json:"conversationId" doc:"The conversation."`
	UserID         uuid.UUID `json:"userId" doc:"The patient that the conversation is about."`
	ClinicID       uuid.UUID `json:"clinicId" doc:"The clinic."`
	AuthorID       uuid.UUID `json:"authorId" doc:"Who wrote it."`
}

// ChatParticipant is the data of chat.participant_joined and chat.participant_left. UserID is who joined or left, PatientID
// whom the conversation is about.
type ChatParticipant struct {
	ConversationID uuid.UUID `json:"conversationId" doc:"The conversation."`
	UserID         uuid.UUID `json:"userId" doc:"Who joined or left."`
	ClinicID       uuid.UUID `json:"clinicId" doc:"The clinic."`
	PatientID      uuid.UUID `json:"patientId" doc:"The patient that the conversation is about."`
}

// ChatUnread is the data of chat.message_unread. UserID is who has not read, MessageID the first message that they have not.
type ChatUnread struct {
	MessageID      uuid.UUID `json:"messageId" doc:"The first message that they have not read."`
	ConversationID uuid.UUID `json:"conversationId" doc:"The conversation."`
	UserID         uuid.UUID `json:"userId" doc:"Who has not read it."`
	ClinicID       uuid.UUID `json:"clinicId" doc:"The clinic."`
}

func (ChatMessage) payload()     {}
func (ChatParticipant) payload() {}
func (ChatUnread) payload()      {}
