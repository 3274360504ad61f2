// Package care is the kernel that all parts of the clinic's software share: actors and roles, the
// access table (access.go), commands, errors, field errors and paging. It depends on no other
// package of carewire.
package care

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Role is a role of a person at a clinic, or on the platform.
type Role string

// The roles. Patient, doctor, nurse, receptionist and admin are held at one clinic; auditor and
// operator on the platform; service and system are programs: other systems, and carewire itself.
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

// Actor is the initiator of a request: a person with their memberships at the time of the request,
// or a program.
type Actor struct {
	// ID is the person's id, "service:<id>" for a service account, or "system:<part>" for carewire
	// itself. Every event that the actor causes contains it.
	ID string
	// UserID is the person's id; zero for a program.
	UserID      uuid.UUID
	Memberships []Membership
	// CachedVersion is 0 for an actor who was loaded for this request. For a cached person, it is
	// the version of their status, roles and sign-ins at load time: each transaction on their
	// behalf first checks that it is still current, and otherwise ends with ErrActorChanged.
	CachedVersion int64
}

// ErrActorChanged is returned if a cached actor has changed since it was loaded. Nothing was
// written. The cache's owner loads the actor again and retries once.
var ErrActorChanged = errors.New("actor changed since it was loaded")

// systemPrefix is the prefix of the id of an actor that is a part of carewire, servicePrefix that
// of a program with a service account. A person's id is a UUID and cannot have either prefix.
const (
	systemPrefix  = "system:"
	servicePrefix = "service:"
)

// SystemActor returns the actor for a part of carewire that acts on its own initiative, such as
// "system:seed".
func SystemActor(part string) Actor {
	return Actor{ID: systemPrefix + part}
}

// ServiceActor returns the actor of the service account, with the role service at the account's
// clinic.
func ServiceActor(accountID uuid.UUID, memberships []Membership) Actor {
	return Actor{ID: servicePrefix + accountID.String(), Memberships: memberships}
}

// IsSystem reports whether the actor is a part of carewire itself.
func (a Actor) IsSystem() bool {
	return a.UserID == uuid.Nil && strings.HasPrefix(a.ID, systemPrefix)
}

// ServiceAccount returns the id of the actor's service account. ok is false for all other actors.
func (a Actor) ServiceAccount() (uuid.UUID, bool) {
	text, ok := strings.CutPrefix(a.ID, servicePrefix)
	if !ok || a.UserID != uuid.Nil {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil
}

// RoleAt returns the strongest role of the actor at the clinic, in the order doctor, nurse, admin,
// receptionist, patient, service. It returns "" if there is none.
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

// PlatformRole returns the actor's platform role, or "" if there is none.
func (a Actor) PlatformRole() Role {
	for _, m := range a.Memberships {
		if m.ClinicID == nil {
			return m.Role
		}
	}
	return ""
}

// Ref identifies one entity of the domain: "lab_report/<id>". It is the subject of its events.
type Ref struct {
	Kind string
	ID   uuid.UUID
}

// String returns the reference in the form of an event's subject.
func (r Ref) String() string {
	return r.Kind + "/" + r.ID.String()
}

// Span is the time from Start up to, and excluding, End. Both are in the time zone for display.
type Span struct {
	StartsAt time.Time `json:"startsAt" format:"date-time" example:"2027-03-15T09:00:00+01:00"`
	EndsAt   time.Time `json:"endsAt" format:"date-time" example:"2027-03-15T09:30:00+01:00"`
}

// Overlaps reports whether the two spans share any time. Adjacent spans do not overlap.
func (s Span) Overlaps(other Span) bool {
	return s.StartsAt.Before(other.EndsAt) && other.StartsAt.Before(s.EndsAt)
}

// Command is the context of a write: the actor, and the trace that it belongs to.
type Command struct {
	Actor Actor
	// CorrelationID is the same for all effects of one request: the request's id, at most 200
	// characters.
	CorrelationID string
	// Traceparent is the W3C trace context of the request, or empty.
	Traceparent string
	// Client is the program that sent the request.
	Client Client
	// Key is the client's Idempotency-Key, or empty. A command with a key is executed once.
	// RequestHash (SHA-256) distinguishes its request from other requests.
	Key         string
	RequestHash []byte
	// Imported marks history from another system. Rules ignore it unless they opt in.
	Imported bool
}
