package event

import "github.com/google/uuid"

// Payload is the data of one type. userId is always the person the event is about.
type Payload interface {
	// payload keeps the set of payloads to this package, where the catalog names each.
	payload()
}

// Record is the data of ehr.<kind>.created, updated, amended and retracted, and of ehr.lab_report.critical. Status is
// the record's FHIR status code, which tells how far it is, not what it found.
type Record struct {
	RecordID uuid.UUID `json:"recordId"`
	UserID   uuid.UUID `json:"userId"`
	ClinicID uuid.UUID `json:"clinicId"`
	DoctorID uuid.UUID `json:"doctorId"`
	Status   string    `json:"status"`
	Version  int64     `json:"version"`
}

// User is the data of user.created, user.updated and user.disabled. Changed names the fields that changed, never their
// values.
type User struct {
	UserID  uuid.UUID `json:"userId"`
	Changed []string  `json:"changed,omitempty"`
}

// Membership is the data of membership.granted and membership.revoked. ClinicID is null for a platform role.
type Membership struct {
	UserID   uuid.UUID  `json:"userId"`
	ClinicID *uuid.UUID `json:"clinicId"`
	Role     string     `json:"role"`
}

// Device is the data of device.registered and device.removed. Reason is set where carewire removed it: "unregistered",
// "taken_over".
type Device struct {
	DeviceID uuid.UUID `json:"deviceId"`
	UserID   uuid.UUID `json:"userId"`
	Platform string    `json:"platform"`
	Reason   string    `json:"reason,omitempty"`
}

// Appointment is the data of appointment.*; times are RFC 3339 in UTC.
type Appointment struct {
	AppointmentID uuid.UUID `json:"appointmentId"`
	UserID        uuid.UUID `json:"userId"`
	ClinicID      uuid.UUID `json:"clinicId"`
	DoctorID      uuid.UUID `json:"doctorId"`
	Status        string    `json:"status"`
	StartsAt      string    `json:"startsAt"`
}

// Billing is the data of billing.*. It carries no amounts.
type Billing struct {
	InvoiceID uuid.UUID  `json:"invoiceId"`
	UserID    uuid.UUID  `json:"userId"`
	ClinicID  uuid.UUID  `json:"clinicId"`
	PaymentID *uuid.UUID `json:"paymentId,omitempty"`
	Status    string     `json:"status"`
}

// ChatMessage is the data of chat.message_created. The text stays in the database.
type ChatMessage struct {
	MessageID      uuid.UUID `json:"messageId"`
	ConversationID uuid.UUID `json:"conversationId"`
	UserID         uuid.UUID `json:"userId"`
	ClinicID       uuid.UUID `json:"clinicId"`
	AuthorID       uuid.UUID `json:"authorId"`
}

// Notification is the data of notification.planned and notification.suppressed: what the planner decided for one
// recipient of one event.
type Notification struct {
	NotificationID uuid.UUID         `json:"notificationId"`
	UserID         uuid.UUID         `json:"userId"`
	Rule           string            `json:"rule"`
	RuleVersion    int32             `json:"ruleVersion"`
	Channels       []ChannelDecision `json:"channels"`
}

// ChannelDecision is what the planner decided for one channel. State is "queued" or "suppressed".
type ChannelDecision struct {
	Channel    string    `json:"channel"`
	DeliveryID uuid.UUID `json:"deliveryId"`
	State      string    `json:"state"`
	Reason     string    `json:"reason"`
}

// Delivery is the data of notification.sent, delivered, read and failed: what became of one message. Code is the
// provider's or carewire's error code, for failed.
type Delivery struct {
	NotificationID    uuid.UUID `json:"notificationId"`
	DeliveryID        uuid.UUID `json:"deliveryId"`
	UserID            uuid.UUID `json:"userId"`
	Channel           string    `json:"channel"`
	Attempt           int32     `json:"attempt"`
	Provider          string    `json:"provider,omitempty"`
	ProviderID        string    `json:"providerId,omitempty"`
	Code              string    `json:"code,omitempty"`
	PossibleDuplicate bool      `json:"possibleDuplicate,omitempty"`
}

// ServiceAccount is the data of service_account.created, updated and disabled. Changed names the fields that changed, never
// their values.
type ServiceAccount struct {
	ServiceAccountID uuid.UUID `json:"serviceAccountId"`
	ClinicID         uuid.UUID `json:"clinicId"`
	Changed          []string  `json:"changed,omitempty"`
}

// RulesPublished is the data of rules.published: from this event's position on the version is in force.
type RulesPublished struct {
	Version int32 `json:"version"`
}

// Redriven is the data of ledger.redriven: what was set aside was put to work again, by the event's actor. Follower and
// Position are set for an event that a follower had passed over, OutboxID for an outbox row that the ledger had refused.
type Redriven struct {
	EventID  uuid.UUID `json:"eventId"`
	Follower string    `json:"follower,omitempty"`
	Position int64     `json:"position,omitempty"`
	OutboxID int64     `json:"outboxId,omitempty"`
}

// RecordRead is the data of record.read: somebody was shown a record, its history or a list with it. UserID is whom
// the record is about; the reader is the event's actor. Action is "read", "history", "version" or "list". A list is one
// event for each patient and clinic in it, with the subject "patient/<id>": RecordIDs names what it showed of them.
type RecordRead struct {
	UserID    uuid.UUID   `json:"userId"`
	ClinicID  *uuid.UUID  `json:"clinicId"`
	Action    string      `json:"action"`
	Version   int64       `json:"version,omitempty"`
	RecordIDs []uuid.UUID `json:"recordIds,omitempty"`
}

// AccessDenied is the data of access.denied. UserID is whom the refused thing is about, where that is known.
type AccessDenied struct {
	UserID   *uuid.UUID `json:"userId"`
	ClinicID *uuid.UUID `json:"clinicId"`
	Action   string     `json:"action"`
	Code     string     `json:"code"`
}

func (Record) payload()         {}
func (User) payload()           {}
func (Membership) payload()     {}
func (Device) payload()         {}
func (Appointment) payload()    {}
func (Billing) payload()        {}
func (ChatMessage) payload()    {}
func (Notification) payload()   {}
func (Delivery) payload()       {}
func (ServiceAccount) payload() {}
func (RulesPublished) payload() {}
func (Redriven) payload()       {}
func (RecordRead) payload()     {}
func (AccessDenied) payload()   {}
