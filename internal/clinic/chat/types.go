package chat

import (
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// Conversation is a conversation as the caller sees it.
type Conversation struct {
	ID             uuid.UUID     `json:"id" format:"uuid"`
	ClinicID       uuid.UUID     `json:"clinicId" format:"uuid"`
	PatientID      uuid.UUID     `json:"patientId" format:"uuid" doc:"The patient."`
	Subject        string        `json:"subject,omitempty" example:"After the blood test"`
	Participants   []Participant `json:"participants" doc:"The participants, in the order in which they joined."`
	Messages       int64         `json:"messages" doc:"The number of messages, which is the number of the newest." example:"12"`
	ReadNumber     int64         `json:"readNumber" doc:"The number of the last message that the caller has read; 0 for none." example:"9"`
	Unread         int64         `json:"unread" doc:"The number of unread messages of others, counted up to 100." example:"3"`
	LastActivityAt time.Time     `json:"lastActivityAt" format:"date-time" doc:"When the newest message was written, or the conversation begun."`
	CreatedAt      time.Time     `json:"createdAt" format:"date-time"`
	CreatedBy      string        `json:"createdBy" doc:"The id of the person who began it."`
}

// Participant is a participant of a conversation.
type Participant struct {
	UserID   uuid.UUID `json:"userId" format:"uuid"`
	JoinedAt time.Time `json:"joinedAt" format:"date-time"`
	SeesFrom int64     `json:"seesFrom" doc:"The number of the first message that they see: 1 for all messages." example:"1"`
	AddedBy  string    `json:"addedBy,omitempty" doc:"The id of the person who added them; absent for participants from the beginning." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
}

// Message is a message of a conversation. It cannot be changed, only withdrawn by its author.
type Message struct {
	ID             uuid.UUID  `json:"id" format:"uuid"`
	ConversationID uuid.UUID  `json:"conversationId" format:"uuid"`
	Number         int64      `json:"number" doc:"The position in the conversation, from 1 on without gaps." example:"12"`
	AuthorID       uuid.UUID  `json:"authorId" format:"uuid"`
	Text           string     `json:"text,omitempty" doc:"Absent if the message was withdrawn." example:"May I eat before the blood test?"`
	WrittenAt      time.Time  `json:"writtenAt" format:"date-time"`
	WithdrawnAt    *time.Time `json:"withdrawnAt,omitempty" format:"date-time" doc:"When its author withdrew it."`
}

// Page is one page of a list of conversations, the newest activity first; Next is the cursor of the page after it, or empty.
type Page care.Page[Conversation]

// NewConversation is the input of Create.
type NewConversation struct {
	PatientID uuid.UUID `json:"patientId" format:"uuid" doc:"An active patient of the clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	ClinicID  uuid.UUID `json:"clinicId" format:"uuid" doc:"The clinic of the care team." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
	Subject   string    `json:"subject,omitempty" maxLength:"200" doc:"The subject, visible to participants." example:"After the blood test"`
}

// NewParticipant is the input of AddParticipant.
type NewParticipant struct {
	UserID  uuid.UUID `json:"userId" format:"uuid" doc:"A doctor or nurse on the patient's care team at the clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5d"`
	History bool      `json:"history,omitempty" doc:"Whether they also see earlier messages, as far as the caller sees them. By default they see later messages only."`
}

// NewMessage is the input of CreateMessage.
type NewMessage struct {
	Text string `json:"text" minLength:"1" maxLength:"4000" doc:"Visible to participants only." example:"May I eat before the blood test?"`
}

// ReadMark is the input of MarkRead.
type ReadMark struct {
	MessageID uuid.UUID `json:"messageId" format:"uuid" doc:"The newest message that the caller has read." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5e"`
}

func (n *NewConversation) check() error {
	var p care.FieldErrors
	if n.PatientID == uuid.Nil {
		p.Add("patientId", "must name the patient")
	}
	p.Line("subject", n.Subject, 0, 200)
	return p.Err()
}

func (n *NewMessage) check() error {
	var p care.FieldErrors
	checkText(&p, n.Text)
	return p.Err()
}

func checkText(p *care.FieldErrors, text string) {
	p.Text("text", text, 1, 4000)
}

func conversation(row db.Conversation, readNumber, unread int64, participants []Participant) Conversation {
	return Conversation{
		ID: row.ID, ClinicID: row.ClinicID, PatientID: row.PatientID, Subject: row.Subject, Participants: participants,
		Messages: row.LastNumber, ReadNumber: readNumber, Unread: unread,
		LastActivityAt: row.LastActivityAt.UTC(), CreatedAt: row.CreatedAt.UTC(), CreatedBy: row.CreatedBy,
	}
}

func participant(row db.ConversationParticipantsRow) Participant {
	p := Participant{UserID: row.UserID, JoinedAt: row.JoinedAt.UTC(), SeesFrom: row.SeesAfter + 1}
	if row.AddedBy != nil {
		p.AddedBy = *row.AddedBy
	}
	return p
}

func message(row db.ConversationMessage) Message {
	m := Message{
		ID: row.ID, ConversationID: row.ConversationID, Number: row.Number, AuthorID: row.AuthorID, Text: row.Text,
		WrittenAt: row.WrittenAt.UTC(),
	}
	if row.WithdrawnAt != nil {
		m.Text, m.WithdrawnAt = "", new(row.WithdrawnAt.UTC())
	}
	return m
}
