// Package care holds the words that every part of the clinic's software shares: who acts (Actor), in what role (Role), on
// whose behalf and by which right (access.go), and how a refusal is said (Error). It depends on nothing.
package care

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Role is what a person is at a clinic, or on the platform as a whole.
type Role string

// The roles. Patient, doctor, nurse, receptionist and admin are held at one clinic; auditor and operator on the
// platform; service and system are programs: other systems, and carewire itself.
const (
	Patient      Role = "patient"
	Doctor       Role = "doctor"
	Nurse        Role = "nurse"
	Receptionist Role = "receptionist"
	Admin        Role = "admin"
	Auditor      Role = "auditor"
	Operator     Role = "operator"
	Service      Role = "service"
	System       Role = "system"
)

// ClinicRoles are the roles held at a clinic, PlatformRoles those without one.
var (
	ClinicRoles   = []Role{Patient, Doctor, Nurse, Receptionist, Admin}
	PlatformRoles = []Role{Auditor, Operator}
)

// Membership is a role at a clinic; ClinicID is nil for a platform role.
type Membership struct {
	ClinicID *uuid.UUID `json:"clinicId" format:"uuid" nullable:"true" doc:"The clinic; null for a role on the platform."`
	Role     Role       `json:"role" enum:"patient,doctor,nurse,receptionist,admin,auditor,operator" doc:"What the person is there."`
}

// Actor is who asks: a person with their memberships as they stood when the request came in, or a program.
type Actor struct {
	// ID is the person's id, "service:<id>" for a service account, or "system:<part>" for carewire itself. It stands on
	// every event the actor causes.
	ID string
	// UserID is the person's id; zero for a program.
	UserID      uuid.UUID
	Memberships []Membership
	// CachedVersion is 0 for an actor who was looked up for this request. For a person who was kept from an earlier one it is the
	// version of their status, roles and sign-ins then: each transaction in their name first asks whether it is that still,
	// and otherwise ends with ErrActorChanged.
	CachedVersion int64
}

// ErrActorChanged is why nothing was done in the name of an actor who was kept from an earlier request: they are not what they
// were. Whoever kept them looks them up and tries once more.
var ErrActorChanged = errors.New("the actor is not what they were when they were looked up")

// systemPrefix begins the id of an actor that is a part of carewire, servicePrefix that of a program with a service account. A
// person's id is a UUID and cannot begin so.
const (
	systemPrefix  = "system:"
	servicePrefix = "service:"
)

// SystemActor is the part of carewire that acts on nobody's behalf, such as "system:seed".
func SystemActor(part string) Actor {
	return Actor{ID: systemPrefix + part}
}

// ServiceActor is the program that the service account names, with the role service at the account's clinic.
func ServiceActor(accountID uuid.UUID, memberships []Membership) Actor {
	return Actor{ID: servicePrefix + accountID.String(), Memberships: memberships}
}

// IsSystem reports whether the actor is a part of carewire itself.
func (a Actor) IsSystem() bool {
	return a.UserID == uuid.Nil && strings.HasPrefix(a.ID, systemPrefix)
}

// ServiceAccount tells which service account the actor is; false for everybody else.
func (a Actor) ServiceAccount() (uuid.UUID, bool) {
	text, ok := strings.CutPrefix(a.ID, servicePrefix)
	if !ok || a.UserID != uuid.Nil {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil
}

// RoleAt tells the strongest role the actor holds at the clinic, in the order doctor, nurse, admin, receptionist,
// patient, service, or "" for none.
func (a Actor) RoleAt(clinicID uuid.UUID) Role {
	for _, role := range []Role{Doctor, Nurse, Admin, Receptionist, Patient, Service} {
		if a.Holds(clinicID, role) {
			return role
		}
	}
	return ""
}

// Holds reports whether the actor holds one of the roles at the clinic.
func (a Actor) Holds(clinicID uuid.UUID, roles ...Role) bool {
	return slices.ContainsFunc(a.Memberships, func(m Membership) bool {
		return m.ClinicID != nil && *m.ClinicID == clinicID && slices.Contains(roles, m.Role)
	})
}

// OnPlatform reports whether the actor holds one of the platform roles.
func (a Actor) OnPlatform(roles ...Role) bool {
	return slices.ContainsFunc(a.Memberships, func(m Membership) bool {
		return m.ClinicID == nil && slices.Contains(roles, m.Role)
	})
}

// PlatformRole tells the actor's platform role, or "" for none.
func (a Actor) PlatformRole() Role {
	for _, m := range a.Memberships {
		if m.ClinicID == nil {
			return m.Role
		}
	}
	return ""
}

// Ref names one thing the domain keeps: "lab_report/<id>". It is what an event's subject says.
type Ref struct {
	Kind string
	ID   uuid.UUID
}

// String gives the reference as an event's subject.
func (r Ref) String() string {
	return r.Kind + "/" + r.ID.String()
}

// Span is a time from its start up to, and without, its end. Both are in the zone in which they are to be shown.
type Span struct {
	StartsAt time.Time `json:"startsAt" format:"date-time" example:"2027-03-15T09:00:00+01:00"`
	EndsAt   time.Time `json:"endsAt" format:"date-time" example:"2027-03-15T09:30:00+01:00"`
}

// Overlaps reports whether the two share any time; spans that only touch do not.
func (s Span) Overlaps(other Span) bool {
	return s.StartsAt.Before(other.EndsAt) && other.StartsAt.Before(s.EndsAt)
}

// Command is what every write carries besides its input: who asks, and the trace it belongs to.
type Command struct {
	Actor Actor
	// CorrelationID ties everything one request led to; the request's id, at most 200 characters.
	CorrelationID string
	// Traceparent is the W3C trace context of the request, or empty.
	Traceparent string
	// Key is the client's Idempotency-Key, or empty: a command with a key is carried out once. RequestHash (SHA-256) tells its
	// request from others.
	Key         string
	RequestHash []byte
	// Imported marks history brought in from elsewhere: no rule fires on it unless it says so.
	Imported bool
}
