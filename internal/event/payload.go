package event

import (
	"github.com/google/uuid"

	"carewire/internal/care"
)

// Payload is the data of one type. userId is always the person that the event is about.
type Payload interface {
	// payload restricts payloads to this package, where the catalog lists each.
	// readAction is the action of care.Access that reading the subject of an event with the data takes.
	readAction() care.Action
}

// Record is the data of ehr.<kind>.created, released, updated, amended, retracted, critical and
// reviewed. Status is the record's FHIR status code, which is its progress, not its finding.
type Record struct {
	RecordID uuid.UUID `json:"recordId" doc:"The record."`
	UserID   uuid.UUID `json:"userId" doc:"The patient."`
	ClinicID uuid.UUID `json:"clinicId" doc:"The record's clinic."`
	DoctorID uuid.UUID `json:"doctorId" doc:"The responsible doctor."`
	Status   string    `json:"status" doc:"The record's status: a FHIR R4 status code of its kind." example:"final"`
	Version  int64     `json:"version" doc:"The version that was written; 1 is the first." example:"1"`
	Released bool      `json:"released" doc:"Whether the patient may read the record: this or an earlier version released it." example:"true"`
	Critical bool      `json:"critical" doc:"Whether this version has a critical finding that no earlier version had: the event ehr.<kind>.critical accompanies it." example:"false"`
	Held     bool      `json:"held" doc:"Whether the record is held from the patient until a clinician has seen its critical finding." example:"false"`
}

// User is the data of user.created, user.updated, user.disabled, user.deceased and
// user.deceased_withdrawn. Changed has the names of the changed fields, never their values. Only
// user.created sets DuplicateIDs.
type User struct {
	UserID       uuid.UUID   `json:"userId" doc:"The person."`
	Changed      []string    `json:"changed,omitempty" doc:"The names of the changed fields, never their values." example:"phone"`
	DuplicateIDs []uuid.UUID `json:"duplicateIds,omitempty" doc:"Patients of the clinic who may be the same person; the caller registered this one knowing of them."`
}

// Clinic is the data of clinic.created and clinic.updated.
type Clinic struct {
	ClinicID uuid.UUID `json:"clinicId" doc:"The clinic."`
	Changed  []string  `json:"changed,omitempty" doc:"The changed details: name, timeZone. Never the values." example:"timeZone"`
}

// AccountsListed is the data of account.listed. Filters has the names of the filters in use;
// UserIDs are the accounts that were shown.
type AccountsListed struct {
	Filters []string    `json:"filters" doc:"The filters in use: clinic, role, status, user. Never the values." example:"role"`
	UserIDs []uuid.UUID `json:"userIds" doc:"The people whose accounts were shown, with their names and addresses."`
}

// Merge is the data of user.merged.
type Merge struct {
	UserID   uuid.UUID `json:"userId" doc:"The person that remains."`
	MergedID uuid.UUID `json:"mergedId" doc:"The merged person's id. Data about it is now about userId."`
}

// SignIn is the data of user.sign_in_linked and user.sign_in_unlinked. It does not have the identity
// provider's name of the sign-in.
type SignIn struct {
	SignInID uuid.UUID `json:"signInId" doc:"The sign-in."`
	UserID   uuid.UUID `json:"userId" doc:"The person that it was linked to or unlinked from."`
}

// Membership is the data of membership.granted and membership.revoked. ClinicID is null for a
// platform role.
type Membership struct {
	UserID   uuid.UUID  `json:"userId" doc:"The person."`
	ClinicID *uuid.UUID `json:"clinicId" doc:"The clinic; null for a platform role."`
	Role     string     `json:"role" doc:"The role." example:"nurse"`
}

// CareTeam is the data of care_team.joined and care_team.left. UserID is the patient, MemberID the
// doctor or nurse.
type CareTeam struct {
	UserID   uuid.UUID `json:"userId" doc:"The patient."`
	ClinicID uuid.UUID `json:"clinicId" doc:"The clinic of the care team."`
	MemberID uuid.UUID `json:"memberId" doc:"The doctor or nurse."`
}

// Invitation is the data of invitation.created. It does not have the invited person: the clinic
// must not learn who is known elsewhere.
type Invitation struct {
	InvitationID uuid.UUID `json:"invitationId" doc:"The invitation."`
	ClinicID     uuid.UUID `json:"clinicId" doc:"The inviting clinic."`
}

// InvitationOf is the data of user.invited, which only that person sees, and of
// invitation.accepted.
type InvitationOf struct {
	InvitationID uuid.UUID `json:"invitationId" doc:"The invitation."`
	UserID       uuid.UUID `json:"userId" doc:"The invited person."`
	ClinicID     uuid.UUID `json:"clinicId" doc:"The inviting clinic."`
}

// Verification is the data of user.verification_requested. Channel is "email", "sms" or "whatsapp".
type Verification struct {
	VerificationID uuid.UUID `json:"verificationId" doc:"The verification."`
	UserID         uuid.UUID `json:"userId" doc:"The person who requested the code."`
	Channel        string    `json:"channel" doc:"The channel that the code is sent on: email, sms or whatsapp." example:"email"`
}

// Contact is the data of user.contact_verified.
type Contact struct {
	UserID  uuid.UUID `json:"userId" doc:"The person."`
	Channel string    `json:"channel" doc:"The channel of the address: email, sms or whatsapp." example:"email"`
}

// Device is the data of device.registered and device.removed. Reason is set if carewire removed the
// device: "unregistered", "taken_over", "too_many".
type Device struct {
	DeviceID uuid.UUID `json:"deviceId" doc:"The device."`
	UserID   uuid.UUID `json:"userId" doc:"The device's user."`
	Platform string    `json:"platform" doc:"android, ios or web." example:"ios"`
	Reason   string    `json:"reason,omitempty" doc:"The reason if carewire removed it: unregistered, taken_over (another person registered its token) or too_many (the person has 20)." example:"unregistered"`
}

// Appointment is the data of appointment.*; times are RFC 3339 in UTC.
type Appointment struct {
	AppointmentID uuid.UUID `json:"appointmentId" doc:"The appointment."`
	UserID        uuid.UUID `json:"userId" doc:"The patient."`
	ClinicID      uuid.UUID `json:"clinicId" doc:"The clinic."`
	DoctorID      uuid.UUID `json:"doctorId" doc:"The doctor."`
	Status        string    `json:"status" doc:"The appointment's status." example:"booked"`
	StartsAt      string    `json:"startsAt" format:"date-time" doc:"Start time: RFC 3339, in UTC." example:"2026-03-16T09:00:00Z"`
	Override      bool      `json:"override,omitempty" doc:"Whether the clinic deliberately chose a time outside the doctor's hours, or a longer duration than it allows." example:"true"`
}

// DoctorHours is the data of doctor.hours_changed. UserID and DoctorID are the doctor.
type DoctorHours struct {
	UserID   uuid.UUID `json:"userId" doc:"The doctor."`
	ClinicID uuid.UUID `json:"clinicId" doc:"The clinic."`
	DoctorID uuid.UUID `json:"doctorId" doc:"The doctor (same as userId)."`
}

// CriticalLimits is the data of clinic.critical_limits_changed. It has no codes and no values.
type CriticalLimits struct {
	ClinicID uuid.UUID `json:"clinicId" doc:"The clinic."`
	Version  int64     `json:"version" doc:"Number of changes to the clinic's limits." example:"1"`
}

// Billing is the data of billing.*. It has no amounts.
type Billing struct {
	InvoiceID    uuid.UUID  `json:"invoiceId" doc:"The invoice."`
	UserID       uuid.UUID  `json:"userId" doc:"The patient."`
	ClinicID     uuid.UUID  `json:"clinicId" doc:"The clinic that issued it."`
	PaymentID    *uuid.UUID `json:"paymentId,omitempty" doc:"The payment that was received or refunded."`
	RefundID     *uuid.UUID `json:"refundId,omitempty" doc:"The refund, alone or with a credit note: the patient is notified of the refund only."`
	CreditNoteID *uuid.UUID `json:"creditNoteId,omitempty" doc:"The credit note, alone or with a refund."`
	Status       string     `json:"status" doc:"The invoice's status." example:"issued"`
}

// Notification is the data of notification.planned, suppressed and cancelled: the decision for one
// recipient of one event.
type Notification struct {
	NotificationID uuid.UUID         `json:"notificationId" doc:"The notification."`
	UserID         uuid.UUID         `json:"userId" doc:"The person."`
	Rule           string            `json:"rule" doc:"The rule that planned it." example:"lab-report-ready"`
	RuleVersion    int32             `json:"ruleVersion" doc:"The version of the rule set." example:"1"`
	Channels       []ChannelDecision `json:"channels" doc:"The decision for each channel."`
}

// ChannelDecision is the decision for one channel. State is "queued", "suppressed" or "cancelled".
type ChannelDecision struct {
	Channel    string    `json:"channel" doc:"The channel's name, such as email or push." example:"email"`
	DeliveryID uuid.UUID `json:"deliveryId" doc:"The message on this channel."`
	State      string    `json:"state" doc:"queued, suppressed or cancelled; delivered for inapp, whose message is the notification." example:"queued"`
	Reason     string    `json:"reason" doc:"The reason, as a code." example:"planned"`
}

// Delivery is the data of notification.sent, delivered, read and failed: the outcome of one
// message. Code is the error code of the provider or of carewire, in notification.failed.
type Delivery struct {
	NotificationID    uuid.UUID `json:"notificationId" doc:"The notification."`
	DeliveryID        uuid.UUID `json:"deliveryId" doc:"The message; for the channel inapp the notification, which is the message."`
	UserID            uuid.UUID `json:"userId" doc:"The recipient."`
	Channel           string    `json:"channel" doc:"The channel's name, such as email or push." example:"email"`
	Rule              string    `json:"rule,omitempty" doc:"The rule that planned it; absent in events of earlier releases." example:"lab-report-ready"`
	Attempt           int32     `json:"attempt" doc:"Number of calls to a provider." example:"1"`
	Provider          string    `json:"provider,omitempty" doc:"The provider." example:"ses"`
	ProviderID        string    `json:"providerId,omitempty" doc:"The provider's id of the message." example:"0100018e2f6c"`
	Code              string    `json:"code,omitempty" doc:"Error code of the provider or of carewire." example:"MessageRejected"`
	State             string    `json:"state,omitempty" doc:"Final state, in notification.failed: failed, cancelled, or unknown if it may have been delivered." example:"failed"`
	PossibleDuplicate bool      `json:"possibleDuplicate,omitempty" doc:"Whether an earlier call may have reached the provider too." example:"false"`
}

// Escalation is the data of notification.escalated. The people of the step are in the events
// notification.planned of its notifications.
type Escalation struct {
	EventID         uuid.UUID   `json:"eventId" doc:"The event that nobody has reacted to."`
	Rule            string      `json:"rule" doc:"The rule that escalates." example:"critical-result"`
	RuleVersion     int32       `json:"ruleVersion" doc:"The version of the rule set." example:"1"`
	Step            int32       `json:"step" doc:"The step, counted from 0." example:"0"`
	Unless          string      `json:"unless" doc:"The reaction that has not come: acknowledged, read or delivered." example:"acknowledged"`
	Outcome         string      `json:"outcome" doc:"escalated, or nobody if the step reached no one." example:"escalated"`
	NotificationIDs []uuid.UUID `json:"notificationIds,omitempty" doc:"The notifications of the step that send messages."`
}

// EscalationEnd is the data of notification.escalation_ended.
type EscalationEnd struct {
	EventID          uuid.UUID `json:"eventId" doc:"The event that is no longer true."`
	Rule             string    `json:"rule" doc:"The rule that escalates." example:"critical-result"`
	RuleVersion      int32     `json:"ruleVersion" doc:"The version of the rule set." example:"1"`
	Step             int32     `json:"step" doc:"The first of the steps, counted from 0." example:"0"`
	Reason           string    `json:"reason" doc:"cut_off: and the type of the event that made it untrue." example:"cut_off:ehr.lab_report.retracted"`
	EscalationsEnded int32     `json:"escalationsEnded" doc:"Number of steps that do not follow any more." example:"2"`
}

// Acknowledgement is the data of notification.acknowledged.
type Acknowledgement struct {
	NotificationID   uuid.UUID `json:"notificationId" doc:"The notification."`
	UserID           uuid.UUID `json:"userId" doc:"The recipient, who acknowledged it."`
	Rule             string    `json:"rule" doc:"The rule that planned it." example:"critical-result"`
	EscalationsEnded int32     `json:"escalationsEnded" doc:"Number of steps that do not follow any more." example:"1"`
}

// Inbox is the data of inbox.updated: the counts after a person marked notifications. The events of
// one person are in the order of their marks.
type Inbox struct {
	UserID uuid.UUID `json:"userId" doc:"The person."`
	Unread int64     `json:"unread" doc:"The number of unread notifications in the inbox; 1000 means 1000 or more." example:"3"`
	Unseen int64     `json:"unseen" doc:"The number of these that the person has not seen." example:"1"`
}

// Preference is the data of user.preference_changed: one setting of a category on a channel, or with
// Changed a detail that decides when messages are sent. Category and Channel are then empty.
type Preference struct {
	UserID   uuid.UUID  `json:"userId" doc:"The person."`
	Category string     `json:"category" doc:"The category of events; empty in an event with changed." example:"billing"`
	Channel  string     `json:"channel" doc:"The channel's name; empty in an event with changed." example:"email"`
	Enabled  bool       `json:"enabled" doc:"Whether the person wants these messages; true in an event with changed." example:"false"`
	ClinicID *uuid.UUID `json:"clinicId,omitempty" doc:"The clinic for whose events the setting is; left out for all clinics."`
	From     string     `json:"from,omitempty" doc:"The old value: on, off, digest, or default if the person had none; of quietHours the windows, of digestHour the hour, of timeZone the zone. Left out for the locale, and in events of earlier releases." example:"default"`
	To       string     `json:"to,omitempty" doc:"The new value, as in from." example:"off"`
	Changed  []string   `json:"changed,omitempty" doc:"The changed detail, if it is not a setting: quietHours, digestHour, timeZone or locale." example:"quietHours"`
}

// NotificationDefaults is the data of clinic.notification_defaults_changed and
// installation.notification_defaults_changed: the defaults that are in force from this event on.
type NotificationDefaults struct {
	ClinicID   *uuid.UUID `json:"clinicId,omitempty" doc:"The clinic; left out for the installation."`
	Version    int64      `json:"version" doc:"The number of changes to these defaults." example:"1"`
	Settings   []string   `json:"settings,omitempty" doc:"The settings: category/channel=setting." example:"billing/email=digest"`
	Essential  []string   `json:"essential,omitempty" doc:"The categories that nobody can switch off." example:"appointment"`
	QuietHours string     `json:"quietHours" doc:"The quiet hours: windows, none, or default if none were set." example:"mon-sun 22:00-07:00"`
}

// AddressSuppression is the data of user.address_suppressed and user.address_suppression_lifted. The
// address is not in it.
type AddressSuppression struct {
	UserID        uuid.UUID  `json:"userId" doc:"The person to whom messages were addressed."`
	SuppressionID *uuid.UUID `json:"suppressionId,omitempty" doc:"The suppression; left out if the person lifted it by verifying the address."`
	Channel       string     `json:"channel" doc:"The channel on which the reason arose." example:"email"`
	Reason        string     `json:"reason" doc:"hard_bounce, complaint or opted_out." example:"hard_bounce"`
	Source        string     `json:"source,omitempty" doc:"The provider that reported it." example:"ses"`
}

// ServiceAccount is the data of service_account.created, activated, updated and disabled. Changed
// has the names of the changed fields, never their values.
type ServiceAccount struct {
	ServiceAccountID uuid.UUID `json:"serviceAccountId" doc:"The service account."`
	ClinicID         uuid.UUID `json:"clinicId" doc:"The service account's clinic."`
	Changed          []string  `json:"changed,omitempty" doc:"The names of the changed fields, never their values." example:"name"`
}

// ClinicSettings is the data of clinic.settings_changed. The settings are available over the REST
// API.
type ClinicSettings struct {
	ClinicID uuid.UUID `json:"clinicId" doc:"The clinic."`
}

// RulesPublished is the data of rules.published: the version is in force from this event's
// position.
type RulesPublished struct {
	Version int32 `json:"version" doc:"The version of the rule set." example:"2"`
}

// TemplatesPublished is the data of templates.published: the version is in force from this event's
// position.
type TemplatesPublished struct {
	Version int32 `json:"version" doc:"The version of the template set." example:"2"`
}

// ClinicBrand is the data of clinic.brand_changed. The brand is available over the REST API.
type ClinicBrand struct {
	ClinicID uuid.UUID `json:"clinicId" doc:"The clinic."`
}

// Redriven is the data of ledger.redriven: the event's actor retried a dead letter. Follower and
// Position are set for an event that a follower had skipped, OutboxID for an outbox row that the
// ledger had rejected.
//
// A redriven outbox row gets the next position, not its original one: its subjectversion may then
// be lower than that of earlier events of the same subject. Readers that keep state per subject
// must ignore a version below the newest one they have.
type Redriven struct {
	EventID  uuid.UUID `json:"eventId" doc:"The event that was skipped or rejected."`
	Follower string    `json:"follower,omitempty" doc:"The follower that skipped it." example:"dispatch"`
	Position int64     `json:"position,omitempty" doc:"The event's position in the ledger, if it has one."`
	OutboxID int64     `json:"outboxId,omitempty" doc:"The id of the outbox row that the ledger rejected."`
}

func (Record) readAction() care.Action               { return care.RecordRead }
func (User) readAction() care.Action                 { return care.UserRead }
func (Merge) readAction() care.Action                { return care.UserRead }
func (SignIn) readAction() care.Action               { return care.UserRead }
func (Clinic) readAction() care.Action               { return noSubject }
func (AccountsListed) readAction() care.Action       { return noSubject }
func (Membership) readAction() care.Action           { return care.UserRead }
func (CareTeam) readAction() care.Action             { return care.CareTeamRead }
func (Invitation) readAction() care.Action           { return noSubject }
func (InvitationOf) readAction() care.Action         { return care.UserRead }
func (Verification) readAction() care.Action         { return care.SelfManage }
func (Contact) readAction() care.Action              { return care.UserRead }
func (Device) readAction() care.Action               { return care.SelfManage }
func (Appointment) readAction() care.Action          { return care.AppointmentRead }
func (DoctorHours) readAction() care.Action          { return care.AvailabilityRead }
func (CriticalLimits) readAction() care.Action       { return noSubject }
func (Billing) readAction() care.Action              { return care.InvoiceRead }
func (Notification) readAction() care.Action         { return noSubject }
func (AddressSuppression) readAction() care.Action   { return care.UserRead }
func (Delivery) readAction() care.Action             { return noSubject }
func (Escalation) readAction() care.Action           { return noSubject }
func (EscalationEnd) readAction() care.Action        { return noSubject }
func (Acknowledgement) readAction() care.Action      { return noSubject }
func (Inbox) readAction() care.Action                { return noSubject }
func (Preference) readAction() care.Action           { return noSubject }
func (NotificationDefaults) readAction() care.Action { return noSubject }
func (ServiceAccount) readAction() care.Action       { return noSubject }
func (ClinicSettings) readAction() care.Action       { return noSubject }
func (RulesPublished) readAction() care.Action       { return noSubject }
func (TemplatesPublished) readAction() care.Action   { return noSubject }
func (ClinicBrand) readAction() care.Action          { return noSubject }
func (Redriven) readAction() care.Action             { return noSubject }
