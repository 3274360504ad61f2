package rule

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// subject holds the properties of an event's subject that decide who may read it.
type subject struct {
	// action is the action that reading requires; empty if there is nothing to read and a role at
	// the clinic is enough.
	action care.Action
	doctor uuid.UUID
	// team and conversation are empty if the event has none.
	team         Team
	conversation string
	// clinic is the prefix of the role keys at the event's clinic; empty if it has none.
	clinic string
}

// about returns the event's subject. It is computed once.
func (r *resolver) about() *subject {
	if r.subject != nil {
		return r.subject
	}
	s := &subject{}
	if d, ok := event.Lookup(r.event.Type); ok {
		s.action = d.ReadAction()
	}
	if s.action == care.RecordRead && len(r.matches) > 0 {
		s.doctor = r.matches[0].vars.id("doctorId")
	}
	if id, ok := ConversationIn(r.event); ok {
		s.conversation = id.String()
	}
	if r.event.ClinicID != nil {
		s.clinic = string(RoleKeyOf(*r.event.ClinicID, ""))
		if r.event.PersonID != nil {
			s.team = TeamOf(*r.event.ClinicID, *r.event.PersonID)
		}
	}
	r.subject = s
	return s
}

// ConversationIn returns the conversation that a person must be able to read, for an event about
// one.
func ConversationIn(e *event.Event) (uuid.UUID, bool) {
	d, ok := event.Lookup(e.Type)
	if !ok || d.ReadAction() != care.ConversationRead {
		return uuid.Nil, false
	}
	return event.SubjectID(e.Subject)
}

// mayNotRead returns the reason why the person may not be notified of the event, or "".
func (r *resolver) mayNotRead(id uuid.UUID, person *Person) string {
	own := r.ownReads(id, person)
	if own && r.retractedUnseen() {
		return ReasonRetractedBeforeReview
	}
	if own || r.staffReads(id, person) {
		return ""
	}
	works := slices.ContainsFunc(person.rolesAt(r.about().clinic), func(role care.Role) bool { return role != care.Patient })
	if works || r.event.ClinicID == nil || (r.event.PersonID != nil && id == *r.event.PersonID) {
		return ReasonMayNotRead
	}
	return ReasonNoLongerAtClinic
}

// ownReads reports whether the event is about the person and they may read it as their own.
func (r *resolver) ownReads(id uuid.UUID, person *Person) bool {
	if r.event.PersonID == nil || id != *r.event.PersonID {
		return false
	}
	s := r.about()
	switch s.action {
	case "":
		return r.forPerson()
	case care.ConversationRead:
		return slices.Contains(person.Conversations, "patient/"+s.conversation) && care.Allowed(s.action, care.Patient, care.Own)
	default:
		return r.forPerson() && care.Allowed(s.action, care.Patient, care.Own)
	}
}

// forPerson reports whether the person that the event is about may know of it: of a record, once it
// is released.
func (r *resolver) forPerson() bool {
	d, ok := event.Lookup(r.event.Type)
	if !ok || !d.Person || len(r.matches) == 0 {
		return false
	}
	if r.about().action != care.RecordRead {
		return true
	}
	released, _ := r.matches[0].vars.decode()["released"].(bool)
	return released
}

// staffReads reports whether a role that the person holds at the event's clinic now lets them read
// its subject.
func (r *resolver) staffReads(id uuid.UUID, person *Person) bool {
	s := r.about()
	for _, role := range person.rolesAt(s.clinic) {
		switch {
		case s.action == "":
			if role != care.Patient {
				return true
			}
		case care.Allowed(s.action, role, care.SameClinic),
			care.Allowed(s.action, role, care.CareTeam) && slices.Contains(person.Teams, string(s.team)),
			care.Allowed(s.action, role, care.Responsible) && id == s.doctor && role == care.Doctor,
			care.Allowed(s.action, role, care.Participant) && slices.Contains(person.Conversations, "staff/"+s.conversation):
			return true
		}
	}
	return false
}

// heldUntil returns the time until which the event's record is held from the person; zero if it is
// not, or if they read it as staff.
func (r *resolver) heldUntil(id uuid.UUID, person *Person) time.Time {
	until, held := r.people.Held[r.event.Subject]
	if !held || r.event.PersonID == nil || id != *r.event.PersonID || r.staffReads(id, person) {
		return time.Time{}
	}
	return until
}

// retractedUnseen reports whether the event retracts a record that its patient could not read yet.
func (r *resolver) retractedUnseen() bool {
	return strings.HasSuffix(r.event.Type, ".retracted") && len(r.matches) > 0 && r.matches[0].Held()
}

// careTeam returns who is on the care team of the event's person and still holds the role at its
// clinic.
func (r *resolver) careTeam(role care.Role) (members []uuid.UUID) {
	s := r.about()
	for _, id := range r.people.Members[s.team] {
		if person := r.people.ByID[id]; person != nil && slices.Contains(person.rolesAt(s.clinic), role) {
			members = append(members, id)
		}
	}
	return members
}
