package care

import "slices"

// Action is what an actor wants to do. Every route names one; a route whose action is not in the table does not start.
type Action string

// The actions.
const (
	RecordCreate       Action = "record.create"
	RecordRead         Action = "record.read"
	RecordReplace      Action = "record.replace"
	UserCreate         Action = "user.create"
	UserRead           Action = "user.read"
	UserUpdate         Action = "user.update"
	SelfManage         Action = "self.manage"         // One's own account: /api/me, devices, preferences, inbox, socket tickets.
	AuditRead          Action = "audit.read"          // The audit trail.
	NotificationReview Action = "notification.review" // Everybody's notifications, by state.
	OperatorConsole    Action = "operator.console"    // The River dashboard, and the sandbox outside demo mode.
)

// Relation is how the actor stands to what the action is on.
type Relation string

// The relations. A person may stand in several at once; one that is allowed is enough.
const (
	Own        Relation = "own"         // It is about the actor.
	CareTeam   Relation = "care_team"   // The actor is on the care team, at the clinic of the record, of the person it is about.
	SameClinic Relation = "same_clinic" // It belongs to a clinic where the actor holds the role.
	Platform   Relation = "platform"    // The role is a platform role; it is not about a clinic.
)

// Grant is one line of the access table: this role may do this when it stands in this relation.
type Grant struct {
	Action   Action
	Role     Role
	Relation Relation
}

// Access is the whole of who may do what. There is no other place that decides.
//
// A patient reads what is about them. A doctor or nurse reads and writes records at their clinic for patients whose
// care team they are on; a doctor may besides create a record for any patient of the clinic, as the first contact
// happens before a care team exists. Receptionists and admins handle people, not records. Platform roles see no records.
var Access = []Grant{
	{RecordCreate, Doctor, SameClinic},
	{RecordCreate, Nurse, CareTeam},
	{RecordRead, Patient, Own},
	{RecordRead, Doctor, CareTeam},
	{RecordRead, Nurse, CareTeam},
	{RecordReplace, Doctor, CareTeam},
	{RecordReplace, Nurse, CareTeam},

	{UserCreate, Admin, SameClinic},
	{UserRead, Admin, SameClinic},
	{UserRead, Receptionist, SameClinic},
	{UserRead, Doctor, SameClinic},
	{UserRead, Nurse, SameClinic},
	{UserUpdate, Admin, SameClinic},

	{SelfManage, Patient, Own},
	{SelfManage, Doctor, Own},
	{SelfManage, Nurse, Own},
	{SelfManage, Receptionist, Own},
	{SelfManage, Admin, Own},
	{SelfManage, Auditor, Own},
	{SelfManage, Operator, Own},

	{AuditRead, Auditor, Platform},
	{NotificationReview, Operator, Platform},
	{OperatorConsole, Operator, Platform},
}

// Allowed reports whether the table grants the action to the role in the relation.
func Allowed(action Action, role Role, relation Relation) bool {
	return slices.Contains(Access, Grant{action, role, relation})
}

// Declared reports whether the table has a line for the action.
func Declared(action Action) bool {
	return slices.ContainsFunc(Access, func(g Grant) bool { return g.Action == action })
}
