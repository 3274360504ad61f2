package care

import "github.com/google/uuid"

// ConversationRoom is how a person takes part in a conversation.
type ConversationRoom struct {
	// ClinicID is the clinic at which they take part by their role; uuid.Nil for the patient, who needs no role for it.
	ClinicID uuid.UUID
	// PatientID is the patient that the conversation is about.
	PatientID uuid.UUID
	// SeesAfter is the number of the last message that they are not shown.
	SeesAfter int64
}
