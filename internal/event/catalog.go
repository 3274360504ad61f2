package event

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"carewire/internal/care"
)

// Category is what a person may switch off, channel by channel.
type Category string

// The categories.
const (
	Clinical        Category = "clinical"
	CategoryAppointment Category = "appointment"
	CategoryBilling     Category = "billing"
	Account         Category = "account"
	Chat            Category = "chat"
	CategorySystem      Category = "system"
)

// Declaration is what the catalog says of one type.
type Declaration struct {
	Type     string
	Category Category
	// Payload is the zero value of the type's data.
	Payload Payload
	// Person says that the person the event is about may see it live.
	Person bool
	// Roles may see it live in the room of the event's clinic.
	Roles []care.Role
	// RuleVisible says that rules see it. Never for what carewire says of its own work: a loop cannot be written. Its payload has
	// userId, so that a rule on "**" can name the person.
	RuleVisible bool
	// Doc is one sentence for the reference.
	Doc string
}

// clinicians see clinical events; the desk sees what it must arrange.
var (
	clinicians = []care.Role{care.Doctor, care.Nurse}
	desk       = []care.Role{care.Doctor, care.Nurse, care.Receptionist}
	office     = []care.Role{care.Receptionist, care.Admin}
	staff      = []care.Role{care.Doctor, care.Nurse, care.Receptionist, care.Admin}
)

// Catalog is every type there is, in the reference's order. Fields of a payload are only ever added.
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
		{"user.created", Account, User{}, true, office, true, "A person was registered."},
		{"user.updated", Account, User{}, true, office, true, "A person's details were changed."},
		{"user.disabled", Account, User{}, true, office, true, "A person may no longer sign in."},
		{"user.deceased", Account, User{}, false, staff, true, "A person has died: nobody signs in as them any more, and they are sent nothing."},
		{"user.deceased_withdrawn", Account, User{}, false, staff, true, "That a person has died was recorded by mistake."},
		{"user.merged", Account, Merge{}, true, office, true, "A person who was registered proved to be one who was known elsewhere."},
		{"user.sign_in_unlinked", Account, SignIn{}, true, office, true, "A sign-in was taken from a person; their sessions end."},
		{"membership.granted", Account, Membership{}, true, []care.Role{care.Admin}, true, "A person was given a role."},
		{"membership.revoked", Account, Membership{}, true, []care.Role{care.Admin}, true, "A role was taken from a person."},
		{"care_team.joined", Account, CareTeam{}, true, clinicians, true, "A doctor or nurse joined a patient's care team."},
		{"care_team.left", Account, CareTeam{}, true, clinicians, true, "A doctor or nurse left a patient's care team."},
		{"invitation.created", CategorySystem, Invitation{}, false, office, false, "A clinic invited somebody."},
		{"invitation.accepted", Account, InvitationOf{}, true, office, true, "A person accepted a clinic's invitation."},
		{"user.invited", Account, InvitationOf{}, true, nil, true, "A person was invited by a clinic."},
		{"user.verification_requested", Account, Verification{}, true, nil, true, "A person asked for a code, to prove that an address is theirs."},
		{"user.contact_verified", Account, Contact{}, true, office, true, "A person's address proved to be theirs."},
		{"device.registered", Account, Device{}, true, nil, true, "A device may receive a person's push messages."},
		{"device.removed", Account, Device{}, true, nil, true, "A device no longer receives a person's push messages."},
		{"appointment.requested", CategoryAppointment, Appointment{}, true, desk, true, "A patient asked for an appointment."},
		{"appointment.booked", CategoryAppointment, Appointment{}, true, desk, true, "A slot was taken for an appointment."},
		{"appointment.confirmed", CategoryAppointment, Appointment{}, true, desk, true, "An appointment was confirmed."},
		{"appointment.rescheduled", CategoryAppointment, Appointment{}, true, desk, true, "An appointment moved to another time."},
		{"appointment.checked_in", CategoryAppointment, Appointment{}, true, desk, true, "The patient has arrived."},
		{"appointment.completed", CategoryAppointment, Appointment{}, true, desk, true, "The appointment took place."},
		{"appointment.cancelled", CategoryAppointment, Appointment{}, true, desk, true, "An appointment was cancelled."},
		{"appointment.no_show", CategoryAppointment, Appointment{}, true, desk, true, "The patient did not come."},
		{"appointment.reassigned", CategoryAppointment, AppointmentReassignment{}, true, desk, true, "An appointment was given to another doctor."},
		{"appointment.reversed", CategoryAppointment, AppointmentReversal{}, true, desk, true, "That an appointment was completed, cancelled or missed was taken back."},
		{"appointment.needs_attention", CategoryAppointment, AppointmentAttention{}, false, []care.Role{care.Doctor, care.Nurse, care.Receptionist, care.Admin}, true, "The doctor or the patient of an appointment to come left the clinic or was disabled."},
		{"doctor.absence_added", CategoryAppointment, DoctorAbsence{}, true, []care.Role{care.Doctor, care.Nurse, care.Receptionist, care.Admin}, true, "A doctor's leave or one-off hours, or a day on which the clinic is closed, were entered."},
		{"doctor.absence_removed", CategoryAppointment, DoctorAbsence{}, true, []care.Role{care.Doctor, care.Nurse, care.Receptionist, care.Admin}, true, "A doctor's leave or one-off hours, or a day on which the clinic is closed, were removed."},
		{"visit_type.created", CategoryAppointment, VisitType{}, false, []care.Role{care.Doctor, care.Nurse, care.Receptionist, care.Admin}, false, "A clinic offers appointments for something more."},
		{"visit_type.updated", CategoryAppointment, VisitType{}, false, []care.Role{care.Doctor, care.Nurse, care.Receptionist, care.Admin}, false, "What a clinic offers appointments for was changed, or is no longer offered."},
		{"doctor.hours_changed", CategoryAppointment, DoctorHours{}, true, []care.Role{care.Doctor, care.Nurse, care.Receptionist, care.Admin}, true, "A doctor's weekly hours at a clinic were set."},
		{"clinic.critical_limits_changed", CategorySystem, CriticalLimits{}, false, []care.Role{care.Doctor, care.Admin}, false, "A clinic changed from which values on a finding is critical."},
		{"billing.invoice_drafted", CategoryBilling, Billing{}, false, nil, true, "An invoice was taken in from another system, which is not the patient's to pay yet."},
		{"billing.invoice_issued", CategoryBilling, Billing{}, true, office, true, "An invoice was issued."},
		{"billing.invoice_voided", CategoryBilling, Billing{}, true, office, true, "An invoice was voided."},
		{"billing.invoice_overdue", CategoryBilling, Billing{}, true, office, true, "An invoice is past its due day."},
		{"billing.payment_received", CategoryBilling, Billing{}, true, office, true, "A payment was received."},
		{"billing.refund_made", CategoryBilling, Billing{}, true, office, true, "A payment was given back."},
		{"billing.credit_note_issued", CategoryBilling, Billing{}, true, office, true, "A credit note was issued: less is owed on an invoice."},
	},
	conversation,
	[]Declaration{
		{"chat.message_unread", Chat, ChatUnread{}, true, nil, true, "A person has not read a message for two minutes."},
		{"notification.planned", CategorySystem, Notification{}, true, nil, false, "A person will be told of an event."},
		{"notification.held", CategorySystem, Notification{}, false, nil, false, "A patient will be told of an event once a clinician has seen the critical finding, or after the clinic's period; notification.planned follows."},
		{"notification.suppressed", CategorySystem, Notification{}, false, nil, false, "A rule named a person, but no channel could or may reach them."},
		{"notification.sent", CategorySystem, Delivery{}, true, nil, false, "A provider accepted a message."},
		{"notification.delivered", CategorySystem, Delivery{}, true, nil, false, "A provider says that the message arrived."},
		{"notification.read", CategorySystem, Delivery{}, true, nil, false, "The recipient opened the message."},
		{"notification.failed", CategorySystem, Delivery{}, false, nil, false, "A message ended without having been delivered, or (state unknown) without anybody knowing whether it was."},
		{"clinic.settings_changed", CategorySystem, ClinicSettings{}, false, []care.Role{care.Admin}, false, "How a clinic works was changed."},
		{"service_account.created", CategorySystem, ServiceAccount{}, false, []care.Role{care.Admin}, false, "Another system was registered, and may append events at the clinic once it is activated."},
		{"service_account.activated", CategorySystem, ServiceAccount{}, false, []care.Role{care.Admin}, false, "Another system proved itself and may append events at the clinic."},
		{"service_account.updated", CategorySystem, ServiceAccount{}, false, []care.Role{care.Admin}, false, "A service account was changed or enabled again."},
		{"service_account.disabled", CategorySystem, ServiceAccount{}, false, []care.Role{care.Admin}, false, "Another system may no longer append events."},
		{"rules.published", CategorySystem, RulesPublished{}, false, nil, false, "A rule set is in force from this position on."},
		{"ledger.redriven", CategorySystem, Redriven{}, false, nil, false, "An operator put to work again what a follower or the ledger had set aside. An outbox row that is redriven stands behind newer versions of its subject."},
		{"session.closed", CategorySystem, Session{}, false, nil, false, "A browser's session ended: its sockets close."},
		{"user.searched", CategorySystem, UserSearch{}, false, nil, false, "Somebody searched a clinic's people and was shown a page of them."},
		{"record.read", CategorySystem, RecordRead{}, false, nil, false, "Somebody was shown a record or a list of records."},
		{"access.denied", CategorySystem, AccessDenied{}, false, nil, false, "Somebody asked for what they may not have."},
	},
	external,
)

func recordTypes(kind string) []Declaration {
	thing := sentence(kind)
	return []Declaration{
		{"ehr." + kind + ".created", Clinical, Record{}, true, clinicians, true, thing + " was written."},
		{"ehr." + kind + ".released", Clinical, Record{}, true, clinicians, true, thing + " was released: the patient may read it from this version on. One that is created released has no such event, but created says so."},
		{"ehr." + kind + ".updated", Clinical, Record{}, true, clinicians, true, thing + " was replaced by a new version."},
		{"ehr." + kind + ".amended", Clinical, Record{}, true, clinicians, true, thing + " that others rely on was corrected."},
		{"ehr." + kind + ".retracted", Clinical, Record{}, true, clinicians, true, thing + " was entered in error."},
	}
}

// sentence begins one with what a record of the kind is called: "A lab report".
func sentence(kind string) string {
	thing := WithArticle(kind)
	return strings.ToUpper(thing[:1]) + thing[1:]
}

func critical(kind, finding string) []Declaration {
	doc := fmt.Sprintf("%s holds a critical %s that no version before held: the interpretation HH, LL or AA, or a value beyond the critical limits.", sentence(kind), finding)
	reviewed := fmt.Sprintf("A doctor has seen the critical %s of %s: the patient may read the record from now on.", finding, WithArticle(kind))
	return []Declaration{
		{"ehr." + kind + ".critical", Clinical, Record{}, false, clinicians, true, doc},
		{"ehr." + kind + ".reviewed", Clinical, Record{}, true, clinicians, true, reviewed},
	}
}

// WithArticle is Thing with its article: "a lab report".
func WithArticle(kind string) string {
	thing := Thing(kind)
	if strings.ContainsRune("aeiou", rune(thing[0])) {
		return "an " + thing
	}
	return "a " + thing
}

// Thing says in words what one record of the kind is called, in the middle of a sentence: "lab report".
func Thing(kind string) string {
	switch kind {
	case "vital_signs": // Names that are no singular.
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

// Lookup gives the declaration of a type, or false for one that this binary does not know.
func Lookup(typ string) (*Declaration, bool) {
	d, ok := byType[typ]
	return d, ok
}

// Required names the data fields that every event of the type carries, in their JSON names.
func (d *Declaration) Required() []string {
	var names []string
	for f := range reflect.TypeOf(d.Payload).Fields() {
		if name, required := d.field(f); required {
			names = append(names, name)
		}
	}
	return names
}

// field returns the JSON name of a field of the type's data, and whether every event of the type carries it. A field with a
// default was added later: events from before lack it, and so do those of a program that was written before.
func (d *Declaration) field(f reflect.StructField) (name string, required bool) {
	name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
	_, later := d.Defaults()[name]
	return name, !later && !strings.Contains(opts, "omitempty")
}

// Defaults returns what an event of the type means by lacking a field, by JSON name; nil where there is no such field.
func (d *Declaration) Defaults() map[string]any {
	if p, ok := d.Payload.(Defaulter); ok {
		return p.Defaults()
	}
	return nil
}

// Decode reads the event's data into its type's payload.
func (e Event) Decode() (Payload, error) {
	d, ok := Lookup(e.Type)
	if !ok {
		return nil, fmt.Errorf("event type %s is not in the catalog", e.Type)
	}
	return d.Decode(e.Data)
}

// Decode reads data into the type's payload.
func (d *Declaration) Decode(data []byte) (Payload, error) {
	v := reflect.New(reflect.TypeOf(d.Payload))
	if err := json.Unmarshal(data, v.Interface()); err != nil {
		return nil, fmt.Errorf("decode data of %s: %w", d.Type, err)
	}
	return v.Elem().Interface().(Payload), nil
}
