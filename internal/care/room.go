package care

import "github.com/google/uuid"

// ConversationRoom is the participation of a person in a conversation.
type ConversationRoom struct {
	// ClinicID is the clinic of the role by which they take part; uuid.Nil for the patient, who
	// needs no role.
	ClinicID uuid.UUID
	// PatientID is the patient that the conversation is about.
	PatientID uuid.UUID
	// SeesAfter is the number of the last message that is hidden from them.
	SeesAfter int64
}
