package event

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"carewire/internal/care"
)

// Category is a group of events that a person may switch off, channel by channel.
type Category string

// Categories of events.
const (
	CategoryClinical    Category = "clinical"
	CategoryAppointment Category = "appointment"
	CategoryBilling     Category = "billing"
	CategoryAccount     Category = "account"
	CategoryChat        Category = "chat"
	CategorySystem      Category = "system"
)

// Declaration describes one event type.
type Declaration struct {
	Type     string
	Category Category
	// Payload is the zero value of the type's data.
	Payload Payload
	// Person reports whether the person that the event is about may see it live.
	Person bool
	// Roles may see it live in the room of the event's clinic.
	Roles []care.Role
	// RuleVisible reports whether rules see it. It is false for events about carewire's own work,
	// so that rules cannot loop. The payload must have userId, so that a rule on "**" can address
	// the person.
	RuleVisible bool
	// Doc is one sentence for the reference.
	Doc string
}

// clinicians see clinical events; the desk sees events that it must act on.
var (
	clinicians = []care.Role{care.Doctor, care.Nurse}
	desk       = []care.Role{care.Doctor, care.Nurse, care.Receptionist}
	office     = []care.Role{care.Receptionist, care.Admin}
	staff      = []care.Role{care.Doctor, care.Nurse, care.Receptionist, care.Admin}
)

// Catalog has every event type, in the order of the reference. Fields are only ever added to a
// payload.
var Catalog = slices.Concat(
	recordTypes("lab_report"),
	critical("lab_report", "result"),
	recordTypes("prescription"),
	recordTypes("vital_signs"),
	critical("vital_signs", "measurement"),
	recordTypes("allergy"),
	recordTypes("condition"),
	recordTypes("immunization"),
	recordTypes("procedure"),
	recordTypes("imaging_report"),
	recordTypes("clinical_note"),
	recordTypes("medical_history"),
	[]Declaration{
		{"user.created", CategoryAccount, User{}, true, office, true, "A person was registered."},
		{"user.updated", CategoryAccount, User{}, true, office, true, "A person's details were changed."},
		{"user.disabled", CategoryAccount, User{}, true, office, true, "A person may no longer sign in."},
		{"user.deceased", CategoryAccount, User{}, false, staff, true, "A person has died: their sign-ins stop working, and they receive no more messages."},
		{"user.deceased_withdrawn", CategoryAccount, User{}, false, staff, true, "The recorded death of a person was withdrawn as a mistake."},
		{"user.merged", CategoryAccount, Merge{}, true, office, true, "A registered person turned out to be the same as one registered elsewhere."},
		{"user.sign_in_linked", CategoryAccount, SignIn{}, true, office, true, "An operator linked a sign-in to a person on the command line."},
		{"user.sign_in_unlinked", CategoryAccount, SignIn{}, true, office, true, "A sign-in was unlinked from a person; their sessions end."},
		{"membership.granted", CategoryAccount, Membership{}, true, []care.Role{care.Admin}, true, "A role was granted to a person."},
		{"membership.revoked", CategoryAccount, Membership{}, true, []care.Role{care.Admin}, true, "A role was revoked from a person."},
		{"care_team.joined", CategoryAccount, CareTeam{}, true, clinicians, true, "A doctor or nurse joined a patient's care team."},
		{"care_team.left", CategoryAccount, CareTeam{}, true, clinicians, true, "A doctor or nurse left a patient's care team."},
		{"invitation.created", CategorySystem, Invitation{}, false, office, false, "A clinic invited a person."},
		{"invitation.accepted", CategoryAccount, InvitationOf{}, true, office, true, "A person accepted a clinic's invitation."},
		{"user.invited", CategoryAccount, InvitationOf{}, true, nil, true, "A person was invited by a clinic."},
		{"user.verification_requested", CategoryAccount, Verification{}, true, nil, true, "A person requested a code to verify an address."},
		{"user.contact_verified", CategoryAccount, Contact{}, true, office, true, "A person verified an address."},
		{"user.address_suppressed", CategoryAccount, AddressSuppression{}, true, office, true, "An address of a person gets no more messages: the provider reported a permanent bounce, a complaint or an opt-out."},
		{"user.address_suppression_lifted", CategoryAccount, AddressSuppression{}, true, office, true, "Messages are sent to a suppressed address again: its owner verified it again, or an operator removed the suppression."},
		{"device.registered", CategoryAccount, Device{}, true, nil, true, "A device may receive a person's push messages."},
		{"device.removed", CategoryAccount, Device{}, true, nil, true, "A device no longer receives a person's push messages."},
		{"appointment.requested", CategoryAppointment, Appointment{}, true, desk, true, "A patient requested an appointment."},
		{"appointment.booked", CategoryAppointment, Appointment{}, true, desk, true, "An appointment was booked."},
		{"appointment.confirmed", CategoryAppointment, Appointment{}, true, desk, true, "An appointment was confirmed."},
		{"appointment.rescheduled", CategoryAppointment, Appointment{}, true, desk, true, "An appointment was moved to another time."},
		{"appointment.checked_in", CategoryAppointment, Appointment{}, true, desk, true, "The patient has arrived."},
		{"appointment.completed", CategoryAppointment, Appointment{}, true, desk, true, "The appointment took place."},
		{"appointment.cancelled", CategoryAppointment, Appointment{}, true, desk, true, "An appointment was cancelled."},
		{"appointment.no_show", CategoryAppointment, Appointment{}, true, desk, true, "The patient did not attend."},
		{"appointment.reassigned", CategoryAppointment, AppointmentReassignment{}, true, desk, true, "An appointment was assigned to another doctor."},
		{"appointment.reversed", CategoryAppointment, AppointmentReversal{}, true, desk, true, "The completion, cancellation or no-show of an appointment was reversed."},
		{"appointment.needs_attention", CategoryAppointment, AppointmentAttention{}, false, staff, true, "The doctor or the patient of a future appointment left the clinic or was disabled."},
		{"doctor.absence_added", CategoryAppointment, DoctorAbsence{}, true, staff, true, "A doctor's leave or one-off hours, or a closed day of the clinic, were added."},
		{"doctor.absence_removed", CategoryAppointment, DoctorAbsence{}, true, staff, true, "A doctor's leave or one-off hours, or a closed day of the clinic, were removed."},
		{"visit_type.created", CategoryAppointment, VisitType{}, false, staff, false, "A clinic added a visit type."},
		{"visit_type.updated", CategoryAppointment, VisitType{}, false, staff, false, "A clinic changed a visit type, or stopped offering it."},
		{"doctor.hours_changed", CategoryAppointment, DoctorHours{}, true, staff, true, "A doctor's weekly hours at a clinic were changed."},
		{"clinic.critical_limits_changed", CategorySystem, CriticalLimits{}, false, []care.Role{care.Doctor, care.Admin}, false, "A clinic changed the limits beyond which a finding is critical."},
		{"billing.invoice_drafted", CategoryBilling, Billing{}, false, nil, true, "An invoice was imported from another system as a draft: the patient does not owe it yet."},
		{"billing.invoice_issued", CategoryBilling, BillingDue{}, true, office, true, "An invoice was issued."},
		{"billing.invoice_voided", CategoryBilling, Billing{}, true, office, true, "An invoice was voided."},
		{"billing.invoice_overdue", CategoryBilling, BillingDue{}, true, office, true, "An invoice is past its due date."},
		{"billing.payment_received", CategoryBilling, Billing{}, true, office, true, "A payment was received."},
		{"billing.refund_made", CategoryBilling, Billing{}, true, office, true, "A payment was refunded."},
		{"billing.credit_note_issued", CategoryBilling, Billing{}, true, office, true, "A credit note was issued, which reduces the amount due of an invoice."},
	},
	conversation,
	[]Declaration{
		{"chat.message_unread", CategoryChat, ChatUnread{}, true, nil, true, "A person has not read a message for two minutes."},
		{"notification.planned", CategorySystem, Notification{}, true, nil, false, "A person will be notified of an event."},
		{"notification.held", CategorySystem, Notification{}, false, nil, false, "A patient will be notified of an event when a clinician has seen the critical finding, or after the clinic's hold period; notification.planned follows."},
		{"notification.scheduled", CategorySystem, Notification{}, false, nil, false, "A person will be notified of an event at a later time, or when the scheduler has decided about it; notification.planned follows, or notification.suppressed."},
		{"notification.suppressed", CategorySystem, Notification{}, false, nil, false, "A rule selected a person, but no channel is available or allowed for them."},
		{"notification.cancelled", CategorySystem, Notification{}, true, nil, false, "Messages are not sent, because a later version of their subject made them untrue."},
		{"notification.sent", CategorySystem, Delivery{}, true, nil, false, "A provider accepted a message."},
		{"notification.delivered", CategorySystem, Delivery{}, true, nil, false, "A provider reported that a message was delivered."},
		{"notification.read", CategorySystem, Delivery{}, true, nil, false, "The recipient opened a message."},
		{"notification.acknowledged", CategorySystem, Acknowledgement{}, true, nil, false, "The recipient acknowledged a notification. The steps that would have followed end in the same transaction."},
		{"notification.escalated", CategorySystem, Escalation{}, false, nil, false, "Nobody has reacted to the notifications of an event in time: a step of the rule's escalation has notified others, or reached no one."},
		{"notification.escalation_ended", CategorySystem, EscalationEnd{}, false, nil, false, "The remaining steps of a rule's escalation do not follow, because a later version of the subject made the event untrue."},
		{"notification.failed", CategorySystem, Delivery{}, false, nil, false, "A message was not delivered, or (state unknown) it is not known whether it was."},
		{"inbox.updated", CategorySystem, Inbox{}, true, nil, false, "A person marked notifications in their inbox."},
		{"user.preference_changed", CategoryAccount, Preference{}, true, nil, false, "A person changed their preferences: a setting of one category on one channel, also with the unsubscribe link of an email, their quiet hours, the hour of their digest, their time zone or their locale."},
		{"clinic.created", CategorySystem, Clinic{}, false, []care.Role{care.Admin}, false, "A clinic was registered."},
		{"clinic.updated", CategorySystem, Clinic{}, false, []care.Role{care.Admin}, false, "The name or the time zone of a clinic was changed."},
		{"clinic.settings_changed", CategorySystem, ClinicSettings{}, false, []care.Role{care.Admin}, false, "A clinic's settings were changed."},
		{"clinic.notification_defaults_changed", CategorySystem, NotificationDefaults{}, false, []care.Role{care.Admin}, false, "A clinic changed the defaults of its people's preferences, or which categories are essential."},
		{"installation.notification_defaults_changed", CategorySystem, NotificationDefaults{}, false, nil, false, "An operator changed the defaults of everybody's preferences, or which categories are essential."},
		{"clinic.brand_changed", CategorySystem, ClinicBrand{}, false, []care.Role{care.Admin}, false, "A clinic changed how its messages look: display name, logo, color or reply address."},
		{"service_account.created", CategorySystem, ServiceAccount{}, false, []care.Role{care.Admin}, false, "A service account was created for another system, which may append events at the clinic after its activation."},
		{"service_account.activated", CategorySystem, ServiceAccount{}, false, []care.Role{care.Admin}, false, "A service account was activated: its system may append events at the clinic."},
		{"service_account.updated", CategorySystem, ServiceAccount{}, false, []care.Role{care.Admin}, false, "A service account was changed or re-enabled."},
		{"service_account.disabled", CategorySystem, ServiceAccount{}, false, []care.Role{care.Admin}, false, "A service account was disabled: its system may no longer append events."},
		{"rules.published", CategorySystem, RulesPublished{}, false, nil, false, "A rule set is in force from this position on."},
		{"templates.published", CategorySystem, TemplatesPublished{}, false, nil, false, "A template set is in force from this position on."},
		{"ledger.redriven", CategorySystem, Redriven{}, false, nil, false, "An operator retried an event that a follower had skipped, or an outbox row that the ledger had rejected. A redriven outbox row comes after newer versions of its subject."},
		{"user.signed_in", CategorySystem, SignedIn{}, false, nil, false, "A person signed in: with a browser, or with a bearer token that an instance saw for the first time."},
		{"user.sign_in_refused", CategorySystem, SignInRefused{}, false, nil, false, "A sign-in of a known person was refused."},
		{"session.closed", CategorySystem, Session{}, false, nil, false, "A browser's session ended; its sockets close."},
		{"account.listed", CategorySystem, AccountsListed{}, false, nil, false, "The accounts of staff were listed on the command line."},
		{"user.searched", CategorySystem, UserSearch{}, false, nil, false, "A person searched or listed a clinic's people and was shown a page of them."},
		{"record.read", CategorySystem, RecordRead{}, false, nil, false, "A record or a list of records was shown to a person."},
		{"audit.read", CategorySystem, AuditRead{}, false, nil, false, "The audit trail, or the names of people in it, were shown to an auditor or to a command."},
		{"access.denied", CategorySystem, AccessDenied{}, false, nil, false, "An access was denied."},
		{"receipt.refused", CategorySystem, ReceiptRefused{}, false, nil, false, "A request to a webhook for delivery receipts was refused: it does not come from the provider, or not from the configured topic."},
	},
	external,
)

func recordTypes(kind string) []Declaration {
	thing := sentence(kind)
	return []Declaration{
		{"ehr." + kind + ".created", CategoryClinical, Record{}, true, clinicians, true, thing + " was created."},
		{"ehr." + kind + ".released", CategoryClinical, Record{}, true, clinicians, true, thing + " was released: the patient may read it from this version on. If it is created released, the created event says so instead."},
		{"ehr." + kind + ".updated", CategoryClinical, Record{}, true, clinicians, true, thing + " was replaced by a new version."},
		{"ehr." + kind + ".amended", CategoryClinical, Record{}, true, clinicians, true, thing + " that others rely on was corrected."},
		{"ehr." + kind + ".retracted", CategoryClinical, Record{}, true, clinicians, true, thing + " was entered in error."},
	}
}

// sentence returns the name of a record of the kind as the beginning of a sentence: "A lab report".
func sentence(kind string) string {
	thing := WithArticle(kind)
	return strings.ToUpper(thing[:1]) + thing[1:]
}

func critical(kind, finding string) []Declaration {
	doc := fmt.Sprintf("%s has a critical %s that no earlier version had: the interpretation HH, LL or AA, or a value beyond the critical limits.", sentence(kind), finding)
	reviewed := fmt.Sprintf("A doctor has reviewed the critical %s of %s: the patient may read the record from now on.", finding, WithArticle(kind))
	return []Declaration{
		{"ehr." + kind + ".critical", CategoryClinical, Record{}, false, clinicians, true, doc},
		{"ehr." + kind + ".reviewed", CategoryClinical, Record{}, true, clinicians, true, reviewed},
	}
}

// WithArticle returns Thing with its article: "a lab report".
func WithArticle(kind string) string {
	thing := Thing(kind)
	if strings.ContainsRune("aeiou", rune(thing[0])) {
		return "an " + thing
	}
	return "a " + thing
}

// Thing returns the name of one record of the kind, for the middle of a sentence: "lab report".
func Thing(kind string) string {
	switch kind {
	case "vital_signs": // Kinds without a singular.
		return "set of vital signs"
	case "medical_history":
		return "medical history entry"
	default:
		return strings.ReplaceAll(kind, "_", " ")
	}
}

var byType = func() map[string]*Declaration {
	m := make(map[string]*Declaration, len(Catalog))
	for i := range Catalog {
		m[Catalog[i].Type] = &Catalog[i]
	}
	return m
}()

// Lookup returns the declaration of a type, or false if this binary does not know the type.
func Lookup(typ string) (*Declaration, bool) {
	d, ok := byType[typ]
	return d, ok
}

// Required returns the JSON names of the data fields that every event of the type has.
func (d *Declaration) Required() []string {
	var names []string
	for f := range reflect.TypeOf(d.Payload).Fields() {
		if name, required := d.field(f); required {
			names = append(names, name)
		}
	}
	return names
}

// field returns the JSON name of a field of the type's data, and reports whether every event of the
// type has it. A field with a default was added later: events from before lack it, as do those of
// older programs.
func (d *Declaration) field(f reflect.StructField) (name string, required bool) {
	name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
	_, later := d.Defaults()[name]
	return name, !later && !strings.Contains(opts, "omitempty")
}

// Defaults returns the meaning of missing fields in an event of the type, by JSON name; nil if
// every field is always present.
func (d *Declaration) Defaults() map[string]any {
	if p, ok := d.Payload.(Defaulter); ok {
		return p.Defaults()
	}
	return nil
}

// Decode returns the event's data as the payload of its type.
func (e Event) Decode() (Payload, error) {
	d, ok := Lookup(e.Type)
	if !ok {
		return nil, fmt.Errorf("unknown event type %s", e.Type)
	}
	return d.Decode(e.Data)
}

// Decode returns data as the type's payload.
func (d *Declaration) Decode(data []byte) (Payload, error) {
	v := reflect.New(reflect.TypeOf(d.Payload))
	if err := json.Unmarshal(data, v.Interface()); err != nil {
		return nil, fmt.Errorf("decode data of %s: %w", d.Type, err)
	}
	return v.Elem().Interface().(Payload), nil
}
