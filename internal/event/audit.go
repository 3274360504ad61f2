package event

import (
	"github.com/google/uuid"

	"carewire/internal/care"
)

// RecordRead is the data of record.read: a record, its history or a list with it was shown. UserID
// is the person that the record is about; the reader is the event's actor. Action is "read",
// "history", "version" or "list". A list is one event for each patient and clinic in it, with the
// subject "patient/<id>": RecordIDs are the records of them that it showed, UserIDs the members of a
// care team. Kind, Filters and Count describe a list; Filters has the names of the criteria, never
// the values.
type RecordRead struct {
	UserID    uuid.UUID   `json:"userId" doc:"The person that the record is about; the reader is the actor."`
	ClinicID  *uuid.UUID  `json:"clinicId" doc:"The record's clinic; null for none."`
	Action    string      `json:"action" doc:"read, history, version or list." example:"read"`
	Version   int64       `json:"version,omitempty" doc:"The version that was shown." example:"1"`
	Kind      string      `json:"kind,omitempty" doc:"What a list contained: a kind of record, appointment, invoice, conversation, message, care_team or sign_in." example:"lab_report"`
	Filters   []string    `json:"filters,omitempty" doc:"The names of a list's filters, never their values." example:"patientId"`
	Count     *int64      `json:"count,omitempty" doc:"How many items of this person at this clinic a list showed; 0 for an empty list." example:"1"`
	RecordIDs []uuid.UUID `json:"recordIds,omitempty" doc:"The records of this person at this clinic that a list showed."`
	UserIDs   []uuid.UUID `json:"userIds,omitempty" doc:"The people that a list showed by name: the members of a care team."`
}

// UserSearch is the data of user.searched: a page of a clinic's people was shown, searched for or
// listed. Filters has the names of the criteria, never the values; UserIDs are the people that were
// shown.
type UserSearch struct {
	ClinicID uuid.UUID   `json:"clinicId" doc:"The clinic of the people."`
	Filters  []string    `json:"filters" doc:"The search criteria: name, birthDate, number, role. Never the values." example:"name"`
	UserIDs  []uuid.UUID `json:"userIds" doc:"The people of the clinic that the page showed: their names and, if searched by name, birthDate or number, their birth dates and numbers."`
}

// AccessDenied is the data of access.denied. UserID is the person that the subject is about, if
// known.
type AccessDenied struct {
	UserID   *uuid.UUID `json:"userId" doc:"The person that the subject is about; null if unknown."`
	ClinicID *uuid.UUID `json:"clinicId" doc:"The subject's clinic; null if unknown."`
	Action   string     `json:"action" doc:"The denied action of the access table." example:"record.read"`
	Code     string     `json:"code" doc:"The code of the answer." example:"forbidden"`
}

// ReceiptRefused is the data of receipt.refused. Count is 1 for a refusal that is recorded at once.
// Further ones of the same provider for the same reason in the next minute are one event with their
// number.
type ReceiptRefused struct {
	Provider string `json:"provider" doc:"The webhook: ses, sms, whatsapp or twilio." example:"ses"`
	Reason   string `json:"reason" doc:"signature_invalid, signature_version, certificate_url, certificate_invalid, topic, too_old, token or malformed." example:"signature_invalid"`
	Count    int64  `json:"count" doc:"Number of refusals: 1 at once, and more for those that followed within a minute." example:"1"`
}

// AuditRead is the data of audit.read: the audit trail was shown, or the names of people in it.
// Filters has the names of the criteria. Their values are ids and types, of which Subject and UserID
// are stored.
type AuditRead struct {
	UserID  *uuid.UUID  `json:"userId" doc:"The person that the trail was requested of, or who owns the requested subject; null if there is none."`
	Kind    string      `json:"kind" doc:"What was shown: event or person." example:"event"`
	Filters []string    `json:"filters" doc:"The names of the filters." example:"subject"`
	Subject string      `json:"subject,omitempty" doc:"The requested subject, if its id is a UUID." example:"lab_report/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	Count   int64       `json:"count" doc:"How many events or people were shown." example:"12"`
	UserIDs []uuid.UUID `json:"userIds,omitempty" doc:"The people that were shown by name."`
}

// SignedIn is the data of user.signed_in. Method is "browser" for a session at /login, and "token"
// for the first use of a bearer token.
type SignedIn struct {
	UserID    uuid.UUID  `json:"userId" doc:"The person."`
	Method    string     `json:"method" doc:"browser: a session was opened at /login; token: a bearer token was used for the first time." example:"browser"`
	SessionID *uuid.UUID `json:"sessionId,omitempty" doc:"The browser's session."`
}

// SignInRefused is the data of user.sign_in_refused. Count is 1 for a refusal that is recorded at
// once. Further ones of the same person for the same reason in the next minute are one event with
// their number.
type SignInRefused struct {
	UserID uuid.UUID `json:"userId" doc:"The person."`
	Reason string    `json:"reason" doc:"token_expired, token_not_yet_valid, token_wrong_audience, session_ended, ticket_invalid, disabled or closed." example:"token_expired"`
	Count  int64     `json:"count" doc:"Number of refusals: 1 at once, and more for those that followed within a minute." example:"1"`
}

// Session is the data of session.closed. UserID is the person who was signed in. Reason is
// "signed_out", "expired", "disabled" or "sign_in_unlinked".
type Session struct {
	SessionID uuid.UUID `json:"sessionId" doc:"The browser's session."`
	UserID    uuid.UUID `json:"userId" doc:"The session's user."`
	Reason    string    `json:"reason" doc:"The reason: signed_out, expired, disabled or sign_in_unlinked." example:"signed_out"`
}

func (RecordRead) readAction() care.Action     { return noSubject }
func (UserSearch) readAction() care.Action     { return noSubject }
func (AccessDenied) readAction() care.Action   { return noSubject }
func (AuditRead) readAction() care.Action      { return noSubject }
func (ReceiptRefused) readAction() care.Action { return noSubject }
func (SignedIn) readAction() care.Action       { return noSubject }
func (SignInRefused) readAction() care.Action  { return noSubject }
func (Session) readAction() care.Action        { return noSubject }
