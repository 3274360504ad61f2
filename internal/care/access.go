package care

import (
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Action is what an actor wants to do. Every route names one; a route whose action is not in the table does not start.
type Action string

// The actions.
const (
	RecordCreate  Action = "record.create"
	RecordRead    Action = "record.read"
	RecordReplace Action = "record.replace" // Writing a draft's next version.
	RecordRelease Action = "record.release" // Bringing a record into a status in which others rely on it, by whichever write.
	RecordMove    Action = "record.move"    // Moving a released record on to another status, with its content as it is.
	RecordAmend   Action = "record.amend"   // Correcting what others rely on, with a reason.
	RecordRetract Action = "record.retract" // Saying that it was entered in error, with a reason.
	// RecordAcknowledge is saying that one has seen a critical finding, so that its patient may read it.
	RecordAcknowledge Action = "record.acknowledge"

	AppointmentRequest    Action = "appointment.request" // A patient asks for a time.
	AppointmentBook       Action = "appointment.book"    // The clinic gives one.
	AppointmentRead       Action = "appointment.read"
	AppointmentConfirm    Action = "appointment.confirm"
	AppointmentReschedule Action = "appointment.reschedule"
	AppointmentCheckIn    Action = "appointment.check_in"
	AppointmentComplete   Action = "appointment.complete"
	AppointmentCancel     Action = "appointment.cancel"
	AppointmentNoShow     Action = "appointment.no_show"
	AppointmentReassign   Action = "appointment.reassign" // Giving it to another doctor.
	AppointmentReverse    Action = "appointment.reverse"  // Taking back, on the same day, that it was completed, cancelled or missed.
	VisitTypeRead         Action = "visit_type.read"      // What a clinic offers appointments for.
	VisitTypeWrite        Action = "visit_type.write"
	AbsenceRead           Action = "absence.read"      // Leave, closing days and one-off hours, with their notes.
	AvailabilityRead      Action = "availability.read" // When a doctor is free at a clinic.
	HoursWrite            Action = "hours.write"       // Saying when a doctor sees patients.
	InvoiceRead           Action = "invoice.read"      // Invoices with their payments.
	InvoiceWrite          Action = "invoice.write"     // Issuing and voiding, and credit notes.
	PaymentWrite          Action = "payment.write"     // Recording payments and refunds.

	ConversationCreate Action = "conversation.create"
	ConversationRead   Action = "conversation.read"   // With its messages, and marking them as read.
	ConversationManage Action = "conversation.manage" // Saying who takes part.
	MessageWrite       Action = "message.write"       // And withdrawing one's own.

	UserCreate           Action = "user.create"
	UserRead             Action = "user.read"
	UserUpdate           Action = "user.update"
	PatientUpdate        Action = "patient.update"    // Correcting what a patient's file says of them, but for how they sign in.
	DeathRecord          Action = "death.record"      // Recording that a patient has died, and withdrawing it.
	SignInManage         Action = "sign_in.manage"    // Seeing how a person signs in, and taking a sign-in away.
	MembershipManage     Action = "membership.manage" // Granting and revoking roles.
	PatientRegister      Action = "patient.register"  // Registering and inviting patients, in that role only.
	CareTeamManage       Action = "care_team.manage"  // Saying who cares for a patient.
	CareTeamRead         Action = "care_team.read"
	ClinicCreate         Action = "clinic.create"
	ClinicRead           Action = "clinic.read"
	CriticalLimitsRead   Action = "critical_limits.read"
	CriticalLimitsWrite  Action = "critical_limits.write"  // Saying from which values on a result at the clinic is critical.
	ClinicConfigure      Action = "clinic.configure"       // Saying how the clinic works, such as how long critical results wait.
	EventAppend          Action = "event.append"           // Telling of something that happened in another system.
	ServiceAccountManage Action = "service_account.manage" // Saying which other systems may.

	SelfManage         Action = "self.manage"         // One's own account: /api/me, devices, preferences, inbox, socket tickets.
	AuditRead          Action = "audit.read"          // The audit trail.
	NotificationReview Action = "notification.review" // Everybody's notifications, by state.
	StatsRead          Action = "stats.read"          // How many events happened.
	RulesRead          Action = "rules.read"          // Every version of the notification rules, and how they differ.
	RulesPublish       Action = "rules.publish"       // Checking rules, putting them in force, and going back.
	OperationsRead     Action = "operations.read"     // Where the followers stand, and what was set aside.
	OperationsRedrive  Action = "operations.redrive"  // Putting to work again what was set aside, and messages.
	OperatorConsole    Action = "operator.console"    // The River dashboard, and the sandbox outside demo mode.
)

// Relation is how the actor stands to what the action is on.
type Relation string

// The relations. A person may stand in several at once; one that is allowed is enough.
const (
	Own         Relation = "own"         // It is about the actor.
	CareTeam    Relation = "care_team"   // The actor is on the care team, at the clinic of the record, of the person it is about.
	Responsible Relation = "responsible" // The actor is the doctor whom the record or the hours name, at a clinic where they still hold the role.
	Author      Relation = "author"      // The actor is a doctor who wrote the record's first version, or a nurse on the care team who released it, or who began one that nobody released yet.
	Participant Relation = "participant" // The actor takes part in the conversation, and is on the care team of the patient it is about.
	SameClinic  Relation = "same_clinic" // It belongs to a clinic where the actor holds the role.
	Platform    Relation = "platform"    // The role is held on the platform, not at a clinic; carewire's own parts have it as system.
)

// Grant is one line of the access table: this role may do this when it stands in this relation, to records of these kinds.
type Grant struct {
	Action   Action
	Role     Role
	Relation Relation
	Kinds    Kinds
}

// Kinds says which kinds of records a line is about. The zero value is all, as it is for what is no record.
type Kinds struct {
	only, but []string
}

// OnlyKinds returns these kinds of records and no others.
func OnlyKinds(kinds ...string) Kinds { return Kinds{only: kinds} }

// AllKindsBut returns every kind of records but these.
func AllKindsBut(kinds ...string) Kinds { return Kinds{but: kinds} }

// Has reports whether the kind of records is one of them.
func (k Kinds) Has(kind string) bool {
	return (len(k.only) == 0 || slices.Contains(k.only, kind)) && !slices.Contains(k.but, kind)
}

// String returns the kinds in words.
func (k Kinds) String() string {
	switch {
	case len(k.only) > 0:
		return strings.Join(k.only, ", ")
	case len(k.but) > 0:
		return "all but " + strings.Join(k.but, ", ")
	default:
		return "all"
	}
}

// line is a Grant of the table that is about every kind of records, or about none.
type line struct {
	Action   Action
	Role     Role
	Relation Relation
}

func ofAllKinds(lines []line) []Grant {
	grants := make([]Grant, len(lines))
	for i, l := range lines {
		grants[i] = Grant{Action: l.Action, Role: l.Role, Relation: l.Relation}
	}
	return grants
}

// Access is the whole of who may do what. There is no other place that decides.
//
// A patient reads what is about them, also after their membership ended: the right of access outlasts it (45 CFR
// 164.524), so whoever a thing is about counts as its patient. A doctor or nurse reads and writes records at their clinic
// for patients whose care team they are on; a doctor may besides create a record for any patient of the clinic, as the
// first contact happens before a care team exists, and reads, replaces, amends and retracts the records that name them as
// the doctor or that they wrote.
//
// A record is released by the doctor whom it names, or by a doctor or nurse of the care team; a report of the laboratory or of
// imaging by any doctor of the clinic, as who reports is seldom on the team. A prescription is an order that its doctor signs:
// a nurse drafts it, and the doctor whom it names, nobody else, releases it. Once it is released, doctors alone move it on. A
// nurse amends and retracts what they released themselves, and retracts what they began and nobody released yet; a doctor of the
// care team amends and retracts what others wrote, too.
// Receptionists and admins handle people and appointments, not records; a receptionist registers patients and corrects their
// details, an admin says who holds which role and who is on a care team. Receptionists, doctors and admins record that a patient
// has died. Appointments are the whole clinic's to arrange; a patient asks for one,
// confirms it and cancels it.
// Everybody of a clinic sees when its doctors are free and what it offers appointments for; the desk and the doctor themselves
// say when they see patients and when they are absent, the desk when the clinic is closed and what it offers. Why somebody is
// absent is for those who work there.
// Invoices and payments are for receptionists and admins; a patient reads their own.
// A conversation is a patient's with those of their care team who take part in it, and nobody else's; who works at the
// clinic and takes part says who else does. A patient reads theirs for ever, and writes while they are the clinic's patient.
// Platform roles see no records. The service role is held by other systems: they append events at their clinic, and
// nothing else. The system role is carewire's own seed and import: they write, also what replaces what they wrote before, and
// read nothing back.
var Access = slices.Concat(recordAccess, ofAllKinds([]line{
	{AppointmentRequest, Patient, Own},
	{AppointmentBook, Receptionist, SameClinic},
	{AppointmentBook, Doctor, SameClinic},
	{AppointmentBook, Nurse, SameClinic},
	{AppointmentBook, Admin, SameClinic},
	{AppointmentBook, System, Platform},
	{AppointmentRead, Patient, Own},
	{AppointmentRead, Receptionist, SameClinic},
	{AppointmentRead, Doctor, SameClinic},
	{AppointmentRead, Nurse, SameClinic},
	{AppointmentRead, Admin, SameClinic},
	{AppointmentConfirm, Patient, Own},
	{AppointmentConfirm, Receptionist, SameClinic},
	{AppointmentConfirm, Doctor, SameClinic},
	{AppointmentConfirm, Nurse, SameClinic},
	{AppointmentConfirm, Admin, SameClinic},
	{AppointmentReschedule, Receptionist, SameClinic},
	{AppointmentReschedule, Doctor, SameClinic},
	{AppointmentReschedule, Nurse, SameClinic},
	{AppointmentReschedule, Admin, SameClinic},
	{AppointmentCheckIn, Receptionist, SameClinic},
	{AppointmentCheckIn, Doctor, SameClinic},
	{AppointmentCheckIn, Nurse, SameClinic},
	{AppointmentComplete, Receptionist, SameClinic},
	{AppointmentComplete, Doctor, SameClinic},
	{AppointmentComplete, Nurse, SameClinic},
	{AppointmentCancel, Patient, Own},
	{AppointmentCancel, Receptionist, SameClinic},
	{AppointmentCancel, Doctor, SameClinic},
	{AppointmentCancel, Nurse, SameClinic},
	{AppointmentCancel, Admin, SameClinic},
	{AppointmentNoShow, Receptionist, SameClinic},
	{AppointmentNoShow, Doctor, SameClinic},
	{AppointmentNoShow, Nurse, SameClinic},
	{AppointmentReassign, Receptionist, SameClinic},
	{AppointmentReassign, Doctor, SameClinic},
	{AppointmentReassign, Nurse, SameClinic},
	{AppointmentReassign, Admin, SameClinic},
	{AppointmentReverse, Receptionist, SameClinic},
	{AppointmentReverse, Doctor, SameClinic},
	{AppointmentReverse, Nurse, SameClinic},
	{AppointmentReverse, Admin, SameClinic},
	{VisitTypeRead, Patient, SameClinic},
	{VisitTypeRead, Receptionist, SameClinic},
	{VisitTypeRead, Doctor, SameClinic},
	{VisitTypeRead, Nurse, SameClinic},
	{VisitTypeRead, Admin, SameClinic},
	{VisitTypeWrite, Receptionist, SameClinic},
	{VisitTypeWrite, Admin, SameClinic},
	{AbsenceRead, Receptionist, SameClinic},
	{AbsenceRead, Doctor, SameClinic},
	{AbsenceRead, Nurse, SameClinic},
	{AbsenceRead, Admin, SameClinic},

	{AvailabilityRead, Patient, SameClinic},
	{AvailabilityRead, Receptionist, SameClinic},
	{AvailabilityRead, Doctor, SameClinic},
	{AvailabilityRead, Nurse, SameClinic},
	{AvailabilityRead, Admin, SameClinic},
	{HoursWrite, Receptionist, SameClinic},
	{HoursWrite, Admin, SameClinic},
	{HoursWrite, Doctor, Responsible},

	{InvoiceRead, Patient, Own},
	{InvoiceRead, Receptionist, SameClinic},
	{InvoiceRead, Admin, SameClinic},
	{InvoiceWrite, Receptionist, SameClinic},
	{InvoiceWrite, Admin, SameClinic},
	{InvoiceWrite, System, Platform},
	{PaymentWrite, Receptionist, SameClinic},
	{PaymentWrite, Admin, SameClinic},

	{ConversationCreate, Patient, Own},
	{ConversationCreate, Doctor, CareTeam},
	{ConversationCreate, Nurse, CareTeam},
	{ConversationRead, Patient, Own},
	{ConversationRead, Doctor, Participant},
	{ConversationRead, Nurse, Participant},
	{ConversationManage, Doctor, Participant},
	{ConversationManage, Nurse, Participant},
	{MessageWrite, Patient, Own},
	{MessageWrite, Doctor, Participant},
	{MessageWrite, Nurse, Participant},
	{MessageWrite, System, Platform},

	{UserCreate, Admin, SameClinic},
	{UserCreate, System, Platform},
	{UserRead, Patient, Own},
	{UserRead, Admin, SameClinic},
	{UserRead, Receptionist, SameClinic},
	{UserRead, Doctor, SameClinic},
	{UserRead, Nurse, SameClinic},
	{UserUpdate, Admin, SameClinic},
	{UserUpdate, System, Platform},
	{PatientUpdate, Receptionist, SameClinic},
	{PatientUpdate, Admin, SameClinic},
	{DeathRecord, Receptionist, SameClinic},
	{DeathRecord, Doctor, SameClinic},
	{DeathRecord, Admin, SameClinic},
	{SignInManage, Admin, SameClinic},
	{SignInManage, Operator, Platform},
	{MembershipManage, Admin, SameClinic},
	{MembershipManage, System, Platform},
	{PatientRegister, Receptionist, SameClinic},
	{PatientRegister, Admin, SameClinic},
	{CareTeamManage, Admin, SameClinic},
	{CareTeamManage, System, Platform},
	{CareTeamRead, Patient, Own},
	{CareTeamRead, Doctor, SameClinic},
	{CareTeamRead, Nurse, SameClinic},
	{CareTeamRead, Receptionist, SameClinic},
	{CareTeamRead, Admin, SameClinic},
	{ClinicCreate, System, Platform},
	{ClinicRead, Patient, SameClinic},
	{ClinicRead, Doctor, SameClinic},
	{ClinicRead, Nurse, SameClinic},
	{ClinicRead, Receptionist, SameClinic},
	{ClinicRead, Admin, SameClinic},
	{ClinicRead, Operator, Platform},
	{CriticalLimitsRead, Doctor, SameClinic},
	{CriticalLimitsRead, Nurse, SameClinic},
	{CriticalLimitsRead, Receptionist, SameClinic},
	{CriticalLimitsRead, Admin, SameClinic},
	{CriticalLimitsWrite, Doctor, SameClinic},
	{CriticalLimitsWrite, Admin, SameClinic},
	{ClinicConfigure, Admin, SameClinic},

	{EventAppend, Service, SameClinic},
	{ServiceAccountManage, Admin, SameClinic},
	{ServiceAccountManage, System, Platform},

	{SelfManage, Patient, Own},
	{SelfManage, Doctor, Own},
	{SelfManage, Nurse, Own},
	{SelfManage, Receptionist, Own},
	{SelfManage, Admin, Own},
	{SelfManage, Auditor, Own},
	{SelfManage, Operator, Own},

	{AuditRead, Auditor, Platform},
	{NotificationReview, Operator, Platform},
	{StatsRead, Admin, SameClinic},
	{StatsRead, Operator, Platform},
	{RulesRead, Operator, Platform},
	{RulesPublish, Operator, Platform},
	{OperationsRead, Operator, Platform},
	{OperationsRedrive, Operator, Platform},
	{OperatorConsole, Operator, Platform},
}))

// recordAccess is the part of the table that is about records.
var recordAccess = []Grant{
	{RecordCreate, Doctor, SameClinic, Kinds{}},
	{RecordCreate, Nurse, CareTeam, Kinds{}},
	{RecordCreate, System, Platform, Kinds{}},
	{RecordRead, Patient, Own, Kinds{}},
	{RecordRead, Doctor, CareTeam, Kinds{}},
	{RecordRead, Doctor, Responsible, Kinds{}},
	{RecordRead, Doctor, Author, Kinds{}},
	{RecordRead, Nurse, CareTeam, Kinds{}},
	{RecordReplace, System, Platform, Kinds{}},
	{RecordReplace, Doctor, CareTeam, Kinds{}},
	{RecordReplace, Doctor, Responsible, Kinds{}},
	{RecordReplace, Doctor, Author, Kinds{}},
	{RecordReplace, Nurse, CareTeam, Kinds{}},
	{RecordRelease, System, Platform, Kinds{}},
	{RecordRelease, Doctor, Responsible, Kinds{}},
	{RecordRelease, Doctor, CareTeam, AllKindsBut("prescription")},
	{RecordRelease, Doctor, SameClinic, OnlyKinds("lab_report", "imaging_report")},
	{RecordRelease, Nurse, CareTeam, AllKindsBut("prescription")},
	{RecordMove, System, Platform, Kinds{}},
	{RecordMove, Doctor, CareTeam, Kinds{}},
	{RecordMove, Doctor, Responsible, Kinds{}},
	{RecordMove, Doctor, Author, Kinds{}},
	{RecordMove, Nurse, CareTeam, AllKindsBut("prescription")},
	{RecordAmend, Doctor, CareTeam, Kinds{}},
	{RecordAmend, Doctor, Responsible, Kinds{}},
	{RecordAmend, Doctor, Author, Kinds{}},
	{RecordAmend, Nurse, Author, AllKindsBut("prescription")},
	{RecordRetract, Doctor, CareTeam, Kinds{}},
	{RecordRetract, Doctor, Responsible, Kinds{}},
	{RecordRetract, Doctor, Author, Kinds{}},
	{RecordRetract, Nurse, Author, Kinds{}},
	{RecordAcknowledge, Doctor, CareTeam, Kinds{}},
	{RecordAcknowledge, Doctor, Responsible, Kinds{}},
}

// granted has the kinds of each line of the table: whoever is told of an event, and each request, asks several times.
var granted = func() map[line][]Kinds {
	index := make(map[line][]Kinds, len(Access))
	for _, g := range Access {
		key := line{g.Action, g.Role, g.Relation}
		index[key] = append(index[key], g.Kinds)
	}
	return index
}()

// Allowed reports whether the table grants the action to the role in the relation. Of records, it grants it for one kind at
// least; AllowedOn says for which.
func Allowed(action Action, role Role, relation Relation) bool {
	return len(granted[line{action, role, relation}]) > 0
}

// AllowedOn reports whether the table grants the action to the role in the relation, on a record of the kind.
func AllowedOn(kind string, action Action, role Role, relation Relation) bool {
	return slices.ContainsFunc(granted[line{action, role, relation}], func(k Kinds) bool { return k.Has(kind) })
}

// Declared reports whether the table has a line for the action.
func Declared(action Action) bool {
	return slices.ContainsFunc(Access, func(g Grant) bool { return g.Action == action })
}

// Clinical reports whether the table lets the role read records or conversations of others at its clinic. Row-level security
// shows those of a clinic to nobody else who works there.
func (r Role) Clinical() bool {
	return slices.ContainsFunc(Access, func(g Grant) bool {
		return g.Role == r && (g.Action == RecordRead || g.Action == ConversationRead) && g.Relation != Own && g.Relation != Platform
	})
}

// MayAt reports whether a role that the actor holds at the clinic is granted the action in one of the relations, in which
// the caller has found the actor to stand.
func (a Actor) MayAt(clinicID uuid.UUID, action Action, relations ...Relation) bool {
	return slices.ContainsFunc(a.Memberships, func(m Membership) bool {
		return m.ClinicID != nil && *m.ClinicID == clinicID &&
			slices.ContainsFunc(relations, func(r Relation) bool { return Allowed(action, m.Role, r) })
	})
}

// MayOn is MayAt for a record of the kind.
func (a Actor) MayOn(kind string, clinicID uuid.UUID, action Action, relations ...Relation) bool {
	return slices.ContainsFunc(a.Memberships, func(m Membership) bool {
		return m.ClinicID != nil && *m.ClinicID == clinicID &&
			slices.ContainsFunc(relations, func(r Relation) bool { return AllowedOn(kind, action, m.Role, r) })
	})
}

// MayOwn reports whether the actor may do the action on what is about themselves. Whatever else they are, a person is
// the patient of what is about them.
func (a Actor) MayOwn(action Action) bool {
	return a.UserID != uuid.Nil && (Allowed(action, Patient, Own) ||
		slices.ContainsFunc(a.Memberships, func(m Membership) bool { return Allowed(action, m.Role, Own) }))
}

// MayOnPlatform reports whether the actor may do the action by a platform role, or as a part of carewire itself.
func (a Actor) MayOnPlatform(action Action) bool {
	if a.UserID == uuid.Nil {
		return a.IsSystem() && Allowed(action, System, Platform)
	}
	return slices.ContainsFunc(a.Memberships, func(m Membership) bool {
		return m.ClinicID == nil && Allowed(action, m.Role, Platform)
	})
}

// ClinicsFor lists the clinics where a role that the actor holds is granted the action in the relation; never nil.
func (a Actor) ClinicsFor(action Action, relation Relation) []uuid.UUID {
	clinics := []uuid.UUID{}
	for _, m := range a.Memberships {
		if m.ClinicID != nil && Allowed(action, m.Role, relation) && !slices.Contains(clinics, *m.ClinicID) {
			clinics = append(clinics, *m.ClinicID)
		}
	}
	return clinics
}

// RolesFor lists the roles that the table grants the action in the relation, each once; never nil.
func RolesFor(action Action, relation Relation) []Role {
	roles := []Role{}
	for _, g := range Access {
		if g.Action == action && g.Relation == relation && !slices.Contains(roles, g.Role) {
			roles = append(roles, g.Role)
		}
	}
	return roles
}
