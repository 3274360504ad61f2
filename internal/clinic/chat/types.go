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
	PatientID      uuid.UUID     `json:"patientId" format:"uuid" doc:"Whom it is about."`
	Subject        string        `json:"subject,omitempty" example:"After the blood test"`
	Participants   []Participant `json:"participants" doc:"Who takes part, in the order in which they joined."`
	Messages       int64         `json:"messages" doc:"How many were written: the number of the newest." example:"12"`
	ReadNumber     int64         `json:"readNumber" doc:"The number of the message up to which the caller has read; 0 for none." example:"9"`
	Unread         int64         `json:"unread" doc:"How many messages of others the caller has not read; at most 100 are counted." example:"3"`
	LastActivityAt time.Time     `json:"lastActivityAt" format:"date-time" doc:"When the newest message was written, or when it began."`
	CreatedAt      time.Time     `json:"createdAt" format:"date-time"`
	CreatedBy      string        `json:"createdBy" doc:"The id of who began it."`
}

// Participant is a participant of a conversation.
type Participant struct {
	UserID   uuid.UUID `json:"userId" format:"uuid"`
	JoinedAt time.Time `json:"joinedAt" format:"date-time"`
	SeesFrom int64     `json:"seesFrom" doc:"The number of the first message that they are shown: 1 for who sees all." example:"1"`
	AddedBy  string    `json:"addedBy,omitempty" doc:"The id of who added them; left out for who takes part from the beginning." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
}

// Message is a message of a conversation. It cannot be changed, only withdrawn by its author.
type Message struct {
	ID             uuid.UUID  `json:"id" format:"uuid"`
	ConversationID uuid.UUID  `json:"conversationId" format:"uuid"`
	Number         int64      `json:"number" doc:"Its place in the conversation, from 1 on without a gap." example:"12"`
	AuthorID       uuid.UUID  `json:"authorId" format:"uuid"`
	Text           string     `json:"text,omitempty" doc:"Left out of a message that was withdrawn." example:"May I eat before the blood test?"`
	WrittenAt      time.Time  `json:"writtenAt" format:"date-time"`
	WithdrawnAt    *time.Time `json:"withdrawnAt,omitempty" format:"date-time" doc:"When its author withdrew it."`
}

// Page is one page of a list of conversations, the newest activity first; Next is the cursor of the page after it, or empty.
type Page struct {
	Items []Conversation `json:"items"`
	Next  string         `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
}

// NewConversation is the input of Create.
type NewConversation struct {
	PatientID uuid.UUID `json:"patientId" format:"uuid" doc:"Whom it is about: an active patient of the clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	ClinicID  uuid.UUID `json:"clinicId" format:"uuid" doc:"Whose care team takes part." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
	Subject   string    `json:"subject,omitempty" maxLength:"200" doc:"What it is about, for those who take part." example:"After the blood test"`
}

// NewParticipant is the input of AddParticipant.
type NewParticipant struct {
	UserID  uuid.UUID `json:"userId" format:"uuid" doc:"A doctor or nurse on the patient's care team at the clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5d"`
	History bool      `json:"history,omitempty" doc:"Shows them the messages of before as well, as far as the caller sees them. Else they see what is written from now on."`
}

// NewMessage is the input of CreateMessage.
type NewMessage struct {
	Text string `json:"text" minLength:"1" maxLength:"4000" doc:"It is shown to those who take part, and to nobody else." example:"May I eat before the blood test?"`
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
