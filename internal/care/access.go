package care

import (
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Action is an operation that an actor requests. Every route declares one; the server does not
// start with a route whose action is not in the table.
type Action string

// The actions, grouped by resource.
const (
	RecordCreate  Action = "record.create"
	RecordRead    Action = "record.read"
	RecordReplace Action = "record.replace" // Writes the next version of a draft.
	// Sets a status in which others rely on the record, by any write.
	RecordRelease Action = "record.release"
	// Changes the status of a released record and leaves its content unchanged.
	RecordMove    Action = "record.move"
	RecordAmend   Action = "record.amend"   // Corrects a released record, with a reason.
	RecordRetract Action = "record.retract" // Marks a record as entered in error, with a reason.
	// RecordAcknowledge confirms that a clinician has seen a critical finding, so that its patient
	// may read it.
	RecordAcknowledge Action = "record.acknowledge"

	AppointmentRequest    Action = "appointment.request" // A patient requests a time.
	AppointmentBook       Action = "appointment.book"    // The clinic books a time.
	AppointmentRead       Action = "appointment.read"
	AppointmentConfirm    Action = "appointment.confirm"
	AppointmentReschedule Action = "appointment.reschedule"
	AppointmentCheckIn    Action = "appointment.check_in"
	AppointmentComplete   Action = "appointment.complete"
	AppointmentCancel     Action = "appointment.cancel"
	AppointmentNoShow     Action = "appointment.no_show"
	AppointmentReassign   Action = "appointment.reassign" // Assigns it to another doctor.
	// Reverts a completion, cancellation or no-show on the same day.
	AppointmentReverse Action = "appointment.reverse"
	VisitTypeRead      Action = "visit_type.read" // The kinds of visits that a clinic offers.
	VisitTypeWrite     Action = "visit_type.write"
	// Leave, closing days and one-off hours, with their notes.
	AbsenceRead      Action = "absence.read"
	AvailabilityRead Action = "availability.read" // The free times of a doctor at a clinic.
	HoursWrite       Action = "hours.write"       // Sets the consulting hours of a doctor.
	InvoiceRead      Action = "invoice.read"      // Invoices with their payments.
	// Issues and voids invoices, and issues credit notes.
	InvoiceWrite Action = "invoice.write"
	PaymentWrite Action = "payment.write" // Records payments and refunds.

	ConversationCreate Action = "conversation.create"
	ConversationRead   Action = "conversation.read"   // Reads messages and marks them as read.
	ConversationManage Action = "conversation.manage" // Adds and removes participants.
	MessageWrite       Action = "message.write"       // Also withdraws one's own messages.

	UserCreate Action = "user.create"
	UserRead   Action = "user.read"
	UserUpdate Action = "user.update"
	// Corrects the details of a patient, except how they sign in.
	PatientUpdate Action = "patient.update"
	// Records the death of a patient, and withdraws that record.
	DeathRecord      Action = "death.record"
	SignInManage     Action = "sign_in.manage"    // Lists and unlinks the sign-ins of a person.
	SignInLink       Action = "sign_in.link"      // Links a sign-in to a person without proof of it.
	AccountRead      Action = "account.read"      // Lists staff, and roles on the platform.
	MembershipManage Action = "membership.manage" // Grants and revokes roles.
	// Registers and invites people in the role patient only.
	PatientRegister    Action = "patient.register"
	CareTeamManage     Action = "care_team.manage" // Sets who cares for a patient.
	CareTeamRead       Action = "care_team.read"
	ClinicCreate       Action = "clinic.create"
	ClinicUpdate       Action = "clinic.update" // Changes the name and the time zone of a clinic.
	ClinicRead         Action = "clinic.read"
	CriticalLimitsRead Action = "critical_limits.read"
	// Sets from which values on a result at the clinic is critical.
	CriticalLimitsWrite Action = "critical_limits.write"
	// Changes the settings of a clinic, such as how long critical results are held.
	ClinicConfigure Action = "clinic.configure"
	// Reports something that happened in another system.
	EventAppend Action = "event.append"
	// Manages the other systems that may append events.
	ServiceAccountManage Action = "service_account.manage"

	// One's own account: /api/me, devices, preferences, inbox, socket tickets.
	SelfManage         Action = "self.manage"
	PreferenceRead     Action = "preference.read"     // What a person wants to be told.
	AuditRead          Action = "audit.read"          // The audit trail.
	NotificationReview Action = "notification.review" // The notifications of all people, by state.
	StatsRead          Action = "stats.read"          // Counts of events.
	// Every version of the notification rules, and their differences.
	RulesRead    Action = "rules.read"
	RulesPublish Action = "rules.publish" // Checks, publishes and rolls back rules.
	// Every version of the templates, their differences, and previews.
	TemplatesRead    Action = "templates.read"
	TemplatesPublish Action = "templates.publish" // Checks, publishes and rolls back templates.
	// Sets what people of a clinic are told by default, and what is essential.
	ClinicDefaultsWrite Action = "clinic.notification_defaults"
	// Reads and sets the same for the installation.
	InstallationDefaultsManage Action = "installation.notification_defaults"
	// Changes how a clinic's messages look.
	ClinicBrandWrite Action = "clinic.brand"
	// The positions of the followers, and dead letters.
	OperationsRead    Action = "operations.read"
	OperationsRedrive Action = "operations.redrive" // Retries dead letters and messages.
	// The River dashboard, and the sandbox outside demo mode.
	OperatorConsole Action = "operator.console"
)

// Relation is the relation of the actor to the subject of an action.
type Relation string

// The relations. Several may hold for a person at once; one that the table grants is enough.
const (
	Own Relation = "own" // The subject is about the actor.
	// The actor is on the care team of the person that the record is about, at the clinic of the
	// record.
	CareTeam Relation = "care_team"
	// The actor is the doctor named by the record or the hours, and still holds the role at the
	// clinic.
	Responsible Relation = "responsible"
	// The actor is a doctor who wrote the first version of the record, or a nurse on the care team
	// who released it or began one that is not released yet.
	Author Relation = "author"
	// The actor takes part in the conversation, and is on the care team of its patient.
	Participant Relation = "participant"
	// The subject belongs to a clinic where the actor holds the role.
	SameClinic Relation = "same_clinic"
	// The role is held on the platform, not at a clinic; carewire's own parts have it as system.
	Platform Relation = "platform"
)

// Grant is one line of the access table: it grants the action to the role in the relation, on
// records of these kinds.
type Grant struct {
	Action   Action
	Role     Role
	Relation Relation
	Kinds    Kinds
}

// Kinds is a set of record kinds. The zero value is all kinds; it is also used for actions that are
// not about records.
type Kinds struct {
	only, but []string
}

// OnlyKinds returns the set of these kinds.
func OnlyKinds(kinds ...string) Kinds { return Kinds{only: kinds} }

// AllKindsBut returns the set of all kinds except these.
func AllKindsBut(kinds ...string) Kinds { return Kinds{but: kinds} }

// Has reports whether the set contains the kind.
func (k Kinds) Has(kind string) bool {
	return (len(k.only) == 0 || slices.Contains(k.only, kind)) && !slices.Contains(k.but, kind)
}

// String returns a description of the set.
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

// line is a Grant for all kinds of records, or for an action that is not about records.
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

// Access is the access table: the complete list of grants. Nothing else decides access.
//
// A patient reads data about themselves, also after their membership ended: the right of access
// outlasts it (45 CFR 164.524). Therefore the person that data is about counts as its patient. A
// doctor or nurse reads and writes records at their clinic for patients whose care team they are
// on. In addition, a doctor may create a record for any patient of the clinic, because the first
// contact precedes a care team, and may read, replace, amend and retract the records that name them
// as the doctor or that they wrote.
//
// A record is released by the doctor named in it, or by a doctor or nurse of the care team. A
// laboratory or imaging report is released by any doctor of the clinic, because its author is
// seldom on the team. A prescription is an order signed by its doctor: a nurse drafts it, and only
// the doctor named in it releases it. Once it is released, only doctors change its status. A nurse
// amends and retracts records that they released, and retracts records that they began and that are
// not released yet. A doctor of the care team also amends and retracts records that others wrote.
//
// Receptionists and admins manage people and appointments, not records. A receptionist registers
// patients and corrects their details; an admin grants roles and manages care teams. Receptionists,
// doctors and admins record that a patient has died.
//
// Appointments are managed by the whole clinic; a patient requests, confirms and cancels their own.
// All members of a clinic see when its doctors are free and which visit types it offers.
// Receptionists, admins and the doctor set when a doctor sees patients and is absent; receptionists
// and admins set when the clinic is closed and which visit types it offers. The reason for an
// absence is visible to the staff of the clinic.
//
// Invoices and payments are for receptionists and admins; a patient reads their own.
//
// A conversation is between a patient and the members of their care team who take part in it, and
// nobody else. Participants who work at the clinic add and remove others. A patient reads their
// conversations forever, and writes while they are a patient of the clinic.
//
// People choose their own preferences; admins read those of their clinic's people, and set the
// clinic's defaults.
//
// Platform roles see no records. Operators also register clinics, and set the defaults of the
// installation. The service role is held by other
// systems: they append events at their clinic, and nothing else. The system role is held by
// carewire's own seed, import and command line: they write, including replacements of their earlier
// writes, and read nothing except clinics and the accounts of staff.
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
	{SignInLink, System, Platform},
	{AccountRead, System, Platform},
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
	{ClinicCreate, Operator, Platform},
	{ClinicCreate, System, Platform},
	{ClinicUpdate, Operator, Platform},
	{ClinicUpdate, System, Platform},
	{ClinicRead, Patient, SameClinic},
	{ClinicRead, Doctor, SameClinic},
	{ClinicRead, Nurse, SameClinic},
	{ClinicRead, Receptionist, SameClinic},
	{ClinicRead, Admin, SameClinic},
	{ClinicRead, Operator, Platform},
	{ClinicRead, System, Platform},
	{CriticalLimitsRead, Doctor, SameClinic},
	{CriticalLimitsRead, Nurse, SameClinic},
	{CriticalLimitsRead, Receptionist, SameClinic},
	{CriticalLimitsRead, Admin, SameClinic},
	{CriticalLimitsWrite, Doctor, SameClinic},
	{CriticalLimitsWrite, Admin, SameClinic},
	{ClinicConfigure, Admin, SameClinic},
	{PreferenceRead, Patient, Own},
	{PreferenceRead, Admin, SameClinic},
	{ClinicDefaultsWrite, Admin, SameClinic},
	{InstallationDefaultsManage, Operator, Platform},
	{ClinicBrandWrite, Admin, SameClinic},
	{ClinicBrandWrite, Operator, Platform},

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
	{TemplatesRead, Operator, Platform},
	{TemplatesPublish, Operator, Platform},
	{OperationsRead, Operator, Platform},
	{OperationsRedrive, Operator, Platform},
	{OperatorConsole, Operator, Platform},
}))

// recordAccess is the part of the table for records.
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

// granted indexes the table by its lines and holds the kinds of each. Each request and each
// recipient of an event looks up several lines.
var granted = func() map[line][]Kinds {
	index := make(map[line][]Kinds, len(Access))
	for _, g := range Access {
		key := line{g.Action, g.Role, g.Relation}
		index[key] = append(index[key], g.Kinds)
	}
	return index
}()

// Allowed reports whether the table grants the action to the role in the relation. For records, it
// reports whether the table grants the action for at least one kind; use AllowedOn for a specific
// kind.
func Allowed(action Action, role Role, relation Relation) bool {
	return len(granted[line{action, role, relation}]) > 0
}

// AllowedOn reports whether the table grants the action to the role in the relation, on a record of
// the kind.
func AllowedOn(kind string, action Action, role Role, relation Relation) bool {
	return slices.ContainsFunc(granted[line{action, role, relation}], func(k Kinds) bool { return k.Has(kind) })
}

// Declared reports whether the table has a line for the action.
func Declared(action Action) bool {
	return slices.ContainsFunc(Access, func(g Grant) bool { return g.Action == action })
}

// Clinical reports whether the table lets the role read records or conversations of others at its
// clinic. Row-level security hides the records and conversations of a clinic from all other staff.
func (r Role) Clinical() bool {
	return slices.ContainsFunc(Access, func(g Grant) bool {
		return g.Role == r && (g.Action == RecordRead || g.Action == ConversationRead) && g.Relation != Own && g.Relation != Platform
	})
}

// MayAt reports whether a role that the actor holds at the clinic is granted the action in one of
// the relations. The caller has established that the relations hold for the actor.
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

// MayOwn reports whether the actor may do the action on data about themselves. In addition to their
// roles, every person is the patient of data about them.
func (a Actor) MayOwn(action Action) bool {
	return a.UserID != uuid.Nil && (Allowed(action, Patient, Own) ||
		slices.ContainsFunc(a.Memberships, func(m Membership) bool { return Allowed(action, m.Role, Own) }))
}

// MayOnPlatform reports whether the actor may do the action by a platform role, or as a part of
// carewire itself.
func (a Actor) MayOnPlatform(action Action) bool {
	if a.UserID == uuid.Nil {
		return a.IsSystem() && Allowed(action, System, Platform)
	}
	return slices.ContainsFunc(a.Memberships, func(m Membership) bool {
		return m.ClinicID == nil && Allowed(action, m.Role, Platform)
	})
}

// ClinicsFor returns the clinics where a role that the actor holds is granted the action in the
// relation. The result is never nil.
func (a Actor) ClinicsFor(action Action, relation Relation) []uuid.UUID {
	clinics := []uuid.UUID{}
	for _, m := range a.Memberships {
		if m.ClinicID != nil && Allowed(action, m.Role, relation) && !slices.Contains(clinics, *m.ClinicID) {
			clinics = append(clinics, *m.ClinicID)
		}
	}
	return clinics
}

// RolesFor returns the roles that the table grants the action in the relation, without duplicates.
// The result is never nil.
func RolesFor(action Action, relation Relation) []Role {
	roles := []Role{}
	for _, g := range Access {
		if g.Action == action && g.Relation == relation && !slices.Contains(roles, g.Role) {
			roles = append(roles, g.Role)
		}
	}
	return roles
}
