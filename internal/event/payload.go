package event

import "github.com/google/uuid"

// Payload is the data of one type. userId is always the person the event is about.
type Payload interface {
	// payload keeps the set of payloads to this package, where the catalog names each.
	payload()
}

// Record is the data of ehr.<kind>.created, released, updated, amended and retracted, and of ehr.<kind>.critical and reviewed. Status is
// the record's FHIR status code, which tells how far it is, not what it found.
type Record struct {
	RecordID uuid.UUID `json:"recordId" doc:"The record."`
	UserID   uuid.UUID `json:"userId" doc:"The patient."`
	ClinicID uuid.UUID `json:"clinicId" doc:"The clinic that keeps it."`
	DoctorID uuid.UUID `json:"doctorId" doc:"Who answers for it."`
	Status   string    `json:"status" doc:"How far it is: a FHIR R4 status code of its kind." example:"final"`
	Version  int64     `json:"version" doc:"The version that was written; 1 is the first." example:"1"`
	Released bool      `json:"released" doc:"Whether the patient may read the record: it was released with this version or before." example:"true"`
	Critical bool      `json:"critical" doc:"Whether this version holds a critical finding that none before it held: the event ehr.<kind>.critical comes with it." example:"false"`
	Held     bool      `json:"held" doc:"Whether the patient may not read the record yet, as no clinician has seen its critical finding." example:"false"`
}

// User is the data of user.created, user.updated, user.disabled, user.deceased and user.deceased_withdrawn. Changed names the
// fields that changed, never their values. DuplicateIDs is set by user.created only.
type User struct {
	UserID       uuid.UUID   `json:"userId" doc:"The person."`
	Changed      []string    `json:"changed,omitempty" doc:"The names of the fields that changed, never their values." example:"phone"`
	DuplicateIDs []uuid.UUID `json:"duplicateIds,omitempty" doc:"Patients of the clinic who may be the same person, whom the caller knew of and registered this one all the same."`
}

// UserSearch is the data of user.searched. Filters names what was searched by, never the values; UserIDs are who was shown.
type UserSearch struct {
	ClinicID uuid.UUID   `json:"clinicId" doc:"The clinic whose people were searched."`
	Filters  []string    `json:"filters" doc:"What was searched by: name, birthDate, number, role. Never the values." example:"name"`
	UserIDs  []uuid.UUID `json:"userIds" doc:"The people whom the page showed, with their birth dates and numbers."`
}

// Merge is the data of user.merged.
type Merge struct {
	UserID   uuid.UUID `json:"userId" doc:"Who they are."`
	MergedID uuid.UUID `json:"mergedId" doc:"The id by which they had been registered too. What was about that id is about userId now."`
}

// SignIn is the data of user.sign_in_unlinked. It does not say how the identity provider calls the sign-in.
type SignIn struct {
	SignInID uuid.UUID `json:"signInId" doc:"The sign-in."`
	UserID   uuid.UUID `json:"userId" doc:"From whom it was taken."`
}

// Membership is the data of membership.granted and membership.revoked. ClinicID is null for a platform role.
type Membership struct {
	UserID   uuid.UUID  `json:"userId" doc:"The person."`
	ClinicID *uuid.UUID `json:"clinicId" doc:"The clinic; null for a platform role."`
	Role     string     `json:"role" doc:"The role." example:"nurse"`
}

// CareTeam is the data of care_team.joined and care_team.left. UserID is the patient, MemberID the doctor or nurse.
type CareTeam struct {
	UserID   uuid.UUID `json:"userId" doc:"The patient."`
	ClinicID uuid.UUID `json:"clinicId" doc:"The clinic of the care team."`
	MemberID uuid.UUID `json:"memberId" doc:"The doctor or nurse."`
}

// Invitation is the data of invitation.created. Whom it is for is not said: the clinic must not learn who is known
// elsewhere.
type Invitation struct {
	InvitationID uuid.UUID `json:"invitationId" doc:"The invitation."`
	ClinicID     uuid.UUID `json:"clinicId" doc:"The clinic that invited."`
}

// InvitationOf is the data of user.invited, which only that person sees, and of invitation.accepted.
type InvitationOf struct {
	InvitationID uuid.UUID `json:"invitationId" doc:"The invitation."`
	UserID       uuid.UUID `json:"userId" doc:"Who was invited."`
	ClinicID     uuid.UUID `json:"clinicId" doc:"The clinic that invited."`
}

// Verification is the data of user.verification_requested. Channel is "email", "sms" or "whatsapp".
type Verification struct {
	VerificationID uuid.UUID `json:"verificationId" doc:"The question that the code answers."`
	UserID         uuid.UUID `json:"userId" doc:"Who asked for the code."`
	Channel        string    `json:"channel" doc:"Where the code goes: email, sms or whatsapp." example:"email"`
}

// Contact is the data of user.contact_verified.
type Contact struct {
	UserID  uuid.UUID `json:"userId" doc:"Whose address it is."`
	Channel string    `json:"channel" doc:"Which address: email, sms or whatsapp." example:"email"`
}

// Device is the data of device.registered and device.removed. Reason is set where carewire removed it: "unregistered",
// "taken_over", "too_many".
type Device struct {
	DeviceID uuid.UUID `json:"deviceId" doc:"The device."`
	UserID   uuid.UUID `json:"userId" doc:"Whose it is."`
	Platform string    `json:"platform" doc:"android, ios or web." example:"ios"`
	Reason   string    `json:"reason,omitempty" doc:"Why carewire removed it: unregistered, taken_over (somebody else registered its token) or too_many (the person has 20)." example:"unregistered"`
}

// Appointment is the data of appointment.*; times are RFC 3339 in UTC.
type Appointment struct {
	AppointmentID uuid.UUID `json:"appointmentId" doc:"The appointment."`
	UserID        uuid.UUID `json:"userId" doc:"The patient."`
	ClinicID      uuid.UUID `json:"clinicId" doc:"Where."`
	DoctorID      uuid.UUID `json:"doctorId" doc:"By whom."`
	Status        string    `json:"status" doc:"How far it is." example:"booked"`
	StartsAt      string    `json:"startsAt" doc:"When it starts: RFC 3339, in UTC." example:"2026-03-16T09:00:00Z"`
	Override      bool      `json:"override,omitempty" doc:"The clinic set it to a time outside the doctor's hours, or longer than it allows, on purpose." example:"true"`
}

// DoctorHours is the data of doctor.hours_changed. UserID and DoctorID are the doctor.
type DoctorHours struct {
	UserID   uuid.UUID `json:"userId" doc:"The doctor."`
	ClinicID uuid.UUID `json:"clinicId" doc:"Where."`
	DoctorID uuid.UUID `json:"doctorId" doc:"The doctor, once more."`
}

// CriticalLimits is the data of clinic.critical_limits_changed. It names no codes and no values.
type CriticalLimits struct {
	ClinicID uuid.UUID `json:"clinicId" doc:"The clinic."`
	Version  int64     `json:"version" doc:"How often its limits were changed." example:"1"`
}

// Billing is the data of billing.*. It carries no amounts.
type Billing struct {
	InvoiceID    uuid.UUID  `json:"invoiceId" doc:"The invoice."`
	UserID       uuid.UUID  `json:"userId" doc:"The patient who owes it."`
	ClinicID     uuid.UUID  `json:"clinicId" doc:"The clinic that it is owed to."`
	PaymentID    *uuid.UUID `json:"paymentId,omitempty" doc:"The payment that was received or given back."`
	RefundID     *uuid.UUID `json:"refundId,omitempty" doc:"The refund that was made, or that the credit note was issued with: the patient is told of the refund alone."`
	CreditNoteID *uuid.UUID `json:"creditNoteId,omitempty" doc:"The credit note that was issued, by itself or with a refund."`
	Status       string     `json:"status" doc:"How far the invoice is." example:"issued"`
}

// Notification is the data of notification.planned and notification.suppressed: what the planner decided for one
// recipient of one event.
type Notification struct {
	NotificationID uuid.UUID         `json:"notificationId" doc:"What the person is told."`
	UserID         uuid.UUID         `json:"userId" doc:"The person."`
	Rule           string            `json:"rule" doc:"The rule that said so." example:"lab-report-ready"`
	RuleVersion    int32             `json:"ruleVersion" doc:"The rule set in force." example:"1"`
	Channels       []ChannelDecision `json:"channels" doc:"What was decided for each channel."`
}

// ChannelDecision is what the planner decided for one channel. State is "queued" or "suppressed".
type ChannelDecision struct {
	Channel    string    `json:"channel" doc:"The channel's name, such as email or push." example:"email"`
	DeliveryID uuid.UUID `json:"deliveryId" doc:"The message on this channel."`
	State      string    `json:"state" doc:"queued or suppressed." example:"queued"`
	Reason     string    `json:"reason" doc:"Why: a code." example:"planned"`
}

// Delivery is the data of notification.sent, delivered, read and failed: what became of one message. Code is the
// provider's or carewire's error code, for failed.
type Delivery struct {
	NotificationID    uuid.UUID `json:"notificationId" doc:"What the person is told."`
	DeliveryID        uuid.UUID `json:"deliveryId" doc:"The message."`
	UserID            uuid.UUID `json:"userId" doc:"The recipient."`
	Channel           string    `json:"channel" doc:"The channel's name, such as email or push." example:"email"`
	Attempt           int32     `json:"attempt" doc:"How often a provider was called." example:"1"`
	Provider          string    `json:"provider,omitempty" doc:"Who was called." example:"ses"`
	ProviderID        string    `json:"providerId,omitempty" doc:"What the provider calls the message." example:"0100018e2f6c"`
	Code              string    `json:"code,omitempty" doc:"Why it failed: the provider's code or carewire's." example:"MessageRejected"`
	State             string    `json:"state,omitempty" doc:"How it ended, in notification.failed: failed, cancelled, or unknown when it may have arrived." example:"failed"`
	PossibleDuplicate bool      `json:"possibleDuplicate,omitempty" doc:"A call before this one may have reached the provider too." example:"false"`
}

// ServiceAccount is the data of service_account.created, activated, updated and disabled. Changed names the fields that changed, never
// their values.
type ServiceAccount struct {
	ServiceAccountID uuid.UUID `json:"serviceAccountId" doc:"The service account."`
	ClinicID         uuid.UUID `json:"clinicId" doc:"The clinic at which the system acts."`
	Changed          []string  `json:"changed,omitempty" doc:"The names of the fields that changed, never their values." example:"name"`
}

// ClinicSettings is the data of clinic.settings_changed. The settings themselves are read where they are kept.
type ClinicSettings struct {
	ClinicID uuid.UUID `json:"clinicId" doc:"Whose settings."`
}

// RulesPublished is the data of rules.published: from this event's position on the version is in force.
type RulesPublished struct {
	Version int32 `json:"version" doc:"The rule set." example:"2"`
}

// Redriven is the data of ledger.redriven: what was set aside was put to work again, by the event's actor. Follower and
// Position are set for an event that a follower had passed over, OutboxID for an outbox row that the ledger had refused.
//
// A redriven outbox row gets the next position, not the one that it would have had: its subjectversion may then be lower than
// that of events of the same subject before it. Whoever keeps state by subject ignores a version below the newest it has.
type Redriven struct {
	EventID  uuid.UUID `json:"eventId" doc:"The event that had been set aside."`
	Follower string    `json:"follower,omitempty" doc:"The follower that passed it over." example:"dispatch"`
	Position int64     `json:"position,omitempty" doc:"The event's place in the ledger, where it has one."`
	OutboxID int64     `json:"outboxId,omitempty" doc:"The outbox row, where the ledger had refused it."`
}

// Session is the data of session.closed. UserID is whose browser was signed in. Reason is "signed_out", "expired" or
// "disabled".
type Session struct {
	SessionID uuid.UUID `json:"sessionId" doc:"The browser's session."`
	UserID    uuid.UUID `json:"userId" doc:"Whose session it was."`
	Reason    string    `json:"reason" doc:"Why it ended: signed_out, expired, disabled or sign_in_unlinked." example:"signed_out"`
}

// RecordRead is the data of record.read: somebody was shown a record, its history or a list with it. UserID is whom
// the record is about; the reader is the event's actor. Action is "read", "history", "version" or "list". A list is one
// event for each patient and clinic in it, with the subject "patient/<id>": RecordIDs names what it showed of them.
type RecordRead struct {
	UserID    uuid.UUID   `json:"userId" doc:"Whom the record is about; the reader is the actor."`
	ClinicID  *uuid.UUID  `json:"clinicId" doc:"The clinic that keeps it; null for none."`
	Action    string      `json:"action" doc:"read, history, version or list." example:"read"`
	Version   int64       `json:"version,omitempty" doc:"Which version was shown." example:"1"`
	RecordIDs []uuid.UUID `json:"recordIds,omitempty" doc:"What a list showed of this person at this clinic."`
}

// AccessDenied is the data of access.denied. UserID is whom the refused thing is about, where that is known.
type AccessDenied struct {
	UserID   *uuid.UUID `json:"userId" doc:"Whom the refused thing is about; null where that is not known."`
	ClinicID *uuid.UUID `json:"clinicId" doc:"The clinic that it belongs to; null where that is not known."`
	Action   string     `json:"action" doc:"What was asked for, as the access table names it." example:"record.read"`
	Code     string     `json:"code" doc:"How it was answered." example:"forbidden"`
}

func (Record) payload()         {}
func (User) payload()           {}
func (UserSearch) payload()     {}
func (Merge) payload()          {}
func (SignIn) payload()         {}
func (Membership) payload()     {}
func (CareTeam) payload()       {}
func (Invitation) payload()     {}
func (InvitationOf) payload()   {}
func (Verification) payload()   {}
func (Contact) payload()        {}
func (Device) payload()         {}
func (Appointment) payload()    {}
func (DoctorHours) payload()    {}
func (CriticalLimits) payload() {}
func (Billing) payload()        {}
func (Notification) payload()   {}
func (Delivery) payload()       {}
func (ServiceAccount) payload() {}
func (ClinicSettings) payload() {}
func (RulesPublished) payload() {}
func (Redriven) payload()       {}
func (Session) payload()        {}
func (RecordRead) payload()     {}
func (AccessDenied) payload()   {}
