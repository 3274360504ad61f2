package realtime

import (
	"slices"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// rights is what a session may see at the position it has reached.
type rights struct {
	user uuid.UUID
	held []care.Membership
	// left are the clinics whose room the client left by itself.
	left []uuid.UUID
	// patients are the rooms that were asked for.
	patients      map[uuid.UUID]*patientRights
	conversations map[uuid.UUID]conversationRights
	// gen counts the changes: what was read from the database for an older one is read again.
	gen int
}

// patientRights says at which clinics the session's user is on the patient's care team.
type patientRights struct {
	// subscription is the id of the message that asked for the room; empty when it was asked for at the handshake.
	subscription string
	// self says that the user is that patient.
	self    bool
	clinics []uuid.UUID
}

// conversationRights says whose conversation it is, and at which clinic the session's user takes part by their role there; zero
// for the patient.
type conversationRights struct {
	subscription    string
	clinic, patient uuid.UUID
	// seesAfter is the number of the last message that the user is not shown.
	seesAfter int64
}

func conversationOf(subscription string, room care.ConversationRoom) conversationRights {
	return conversationRights{subscription: subscription, clinic: room.ClinicID, patient: room.PatientID, seesAfter: room.SeesAfter}
}

// lostRoom is a room that was asked for and whose right has ended.
type lostRoom struct {
	room         roomName
	subscription string
	reason       string
}

// asked counts the rooms that were asked for.
func (r *rights) asked() int { return len(r.patients) + len(r.conversations) }

// holds reports whether one of the roles is held at the clinic. Being a patient there opens no room.
func (r *rights) holds(clinic uuid.UUID, roles []care.Role) bool {
	return slices.ContainsFunc(r.held, func(m care.Membership) bool {
		return m.ClinicID != nil && *m.ClinicID == clinic && m.Role != care.Patient && slices.Contains(roles, m.Role)
	})
}

// sees decides whether the session gets the event, through whichever room. Nobody gets one that cannot be read; what it
// does to rights counts all the same.
func (r *rights) sees(e *entry) bool {
	d := e.decl
	if d == nil || e.unreadable {
		return false
	}
	if e.personSees && e.person == r.user {
		return true
	}
	if e.conversation != uuid.Nil {
		held, in := r.conversations[e.conversation]
		return in && (e.message == 0 || e.message > held.seesAfter)
	}
	if e.clinic == uuid.Nil || len(d.Roles) == 0 || !r.holds(e.clinic, d.Roles) {
		return false
	}
	return !slices.Contains(r.left, e.clinic) || r.watches(e.person, e.clinic)
}

func (r *rights) watches(person, clinic uuid.UUID) bool {
	p, ok := r.patients[person]
	return ok && slices.Contains(p.clinics, clinic)
}

// apply takes a change of the user's own rights into account and tells which rooms are lost with it.
func (r *rights) apply(c *change) (lost []lostRoom) {
	r.gen++
	switch c.kind {
	case joined, left:
		return r.applyTeam(c)
	case leftConversation:
		if held, in := r.conversations[c.conversation]; in {
			delete(r.conversations, c.conversation)
			lost = append(lost, lostRoom{roomName{conversationRoom, c.conversation}, held.subscription, offTheConversation})
		}
		return lost
	default:
	}
	same := func(m care.Membership) bool {
		return m.Role == c.membership.Role && equal(m.ClinicID, c.membership.ClinicID)
	}
	if c.kind == granted {
		if !slices.ContainsFunc(r.held, same) {
			r.held = append(r.held, c.membership)
		}
		return nil
	}
	r.held = slices.DeleteFunc(r.held, same)
	if clinic := c.membership.ClinicID; clinic != nil {
		return append(r.recheck(*clinic), r.recheckConversations(*clinic)...)
	}
	return nil
}

// applyTeam adds a clinic to a patient's room that was asked for, or takes it away; the room is lost with its last one. Who is
// off the team is out of the conversations about the patient there at once: that they left each of them is told later.
func (r *rights) applyTeam(c *change) (lost []lostRoom) {
	if c.kind == left {
		lost = r.dropConversations(func(held conversationRights) bool { return held.clinic == c.clinic && held.patient == c.patient })
	}
	p, ok := r.patients[c.patient]
	if !ok {
		return lost
	}
	p.clinics = slices.DeleteFunc(p.clinics, func(clinic uuid.UUID) bool { return clinic == c.clinic })
	if c.kind == joined {
		p.clinics = append(p.clinics, c.clinic)
	}
	if len(p.clinics) > 0 || p.self {
		return lost
	}
	delete(r.patients, c.patient)
	return append(lost, lostRoom{roomName{patientRoom, c.patient}, p.subscription, offTheTeam})
}

// What tells a client why a room is lost.
const (
	offTheTeam         = "no longer on the care team"
	offTheConversation = "no longer in the conversation"
)

// recheck drops the clinic from the patients' rooms when no role that a care team counts is held there any more. The
// directory takes such a person off the clinic's care teams in the same transaction, so a role that is granted again
// does not bring the patients back.
func (r *rights) recheck(clinic uuid.UUID) (lost []lostRoom) {
	if r.holds(clinic, care.RolesFor(care.RecordRead, care.CareTeam)) {
		return nil
	}
	for id, p := range r.patients {
		p.clinics = slices.DeleteFunc(p.clinics, func(c uuid.UUID) bool { return c == clinic })
		if len(p.clinics) == 0 && !p.self {
			delete(r.patients, id)
			lost = append(lost, lostRoom{roomName{patientRoom, id}, p.subscription, offTheTeam})
		}
	}
	return lost
}

// recheckConversations is recheck for conversations at the clinic in which the user takes part by a role.
func (r *rights) recheckConversations(clinic uuid.UUID) []lostRoom {
	if r.holds(clinic, care.RolesFor(care.ConversationRead, care.Participant)) {
		return nil
	}
	return r.dropConversations(func(held conversationRights) bool { return held.clinic == clinic })
}

func (r *rights) dropConversations(gone func(held conversationRights) bool) (lost []lostRoom) {
	for id, held := range r.conversations {
		if gone(held) {
			delete(r.conversations, id)
			lost = append(lost, lostRoom{roomName{conversationRoom, id}, held.subscription, offTheTeam})
		}
	}
	return lost
}

// places lists where the index must have the session.
func (r *rights) places() []place {
	list := []place{{kind: userRoom, id: r.user}}
	for _, m := range r.held {
		if m.ClinicID != nil && slices.Contains(staff, m.Role) && !slices.Contains(r.left, *m.ClinicID) {
			list = append(list, place{kind: clinicRoom, id: *m.ClinicID, role: m.Role})
		}
	}
	for id := range r.patients {
		list = append(list, place{kind: patientRoom, id: id})
	}
	for id := range r.conversations {
		list = append(list, place{kind: conversationRoom, id: id})
	}
	return list
}

func equal(a, b *uuid.UUID) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}
