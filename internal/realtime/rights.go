package realtime

import (
	"slices"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// rights is what a session may see at the position it has reached.
type rights struct {
	user        uuid.UUID
	memberships []care.Membership
	// left are the clinics with a room that the client left by request.
	left []uuid.UUID
	// patients are the rooms that were joined on request.
	patients      map[uuid.UUID]*patientRights
	conversations map[uuid.UUID]conversationRights
	// gen counts the changes: a right that was read for an older generation is read again.
	gen int
}

// patientRights has the clinics where the session's user is on the patient's care team.
type patientRights struct {
	// subscription is the id of the message that joined the room; empty for the handshake.
	subscription string
	// self reports whether the user is that patient.
	self    bool
	clinics []uuid.UUID
}

// conversationRights has the conversation's patient, and the clinic where the session's user takes
// part by their role there; zero for the patient.
type conversationRights struct {
	subscription    string
	clinic, patient uuid.UUID
	// seesAfter is the number of the last message that is hidden from the user.
	seesAfter int64
}

func conversationOf(subscription string, room care.ConversationRoom) conversationRights {
	return conversationRights{subscription: subscription, clinic: room.ClinicID, patient: room.PatientID, seesAfter: room.SeesAfter}
}

// lostRoom is a room that was joined on request and may no longer be seen.
type lostRoom struct {
	room         roomName
	subscription string
	reason       string
}

// requested returns the number of rooms that were joined on request.
func (r *rights) requested() int { return len(r.patients) + len(r.conversations) }

// holds reports whether the user has one of the roles at the clinic. The role of a patient opens no
// room.
func (r *rights) holds(clinic uuid.UUID, roles []care.Role) bool {
	return slices.ContainsFunc(r.memberships, func(m care.Membership) bool {
		return m.ClinicID != nil && *m.ClinicID == clinic && m.Role != care.Patient && slices.Contains(roles, m.Role)
	})
}

// sees reports whether the session gets the event, through any room. No session gets an unreadable
// event, although its change of rights counts.
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

// apply applies a change of the user's own rights and returns the rooms that are lost.
func (r *rights) apply(c *change) (lost []lostRoom) {
	r.gen++
	switch c.kind {
	case joined, left:
		return r.applyTeam(c)
	case leftConversation:
		if held, in := r.conversations[c.conversation]; in {
			delete(r.conversations, c.conversation)
			lost = append(lost, lostRoom{roomName{conversationRoom, c.conversation}, held.subscription, reasonOffConversation})
		}
		return lost
	default:
	}
	same := func(m care.Membership) bool {
		return m.Role == c.membership.Role && care.EqualPtr(m.ClinicID, c.membership.ClinicID)
	}
	if c.kind == granted {
		if !slices.ContainsFunc(r.memberships, same) {
			r.memberships = append(r.memberships, c.membership)
		}
		return nil
	}
	r.memberships = slices.DeleteFunc(r.memberships, same)
	if clinic := c.membership.ClinicID; clinic != nil {
		return append(r.recheck(*clinic), r.recheckConversations(*clinic)...)
	}
	return nil
}

// applyTeam adds a clinic to a patient's joined room, or removes it; the room is lost with its last
// clinic. A member who leaves the team leaves the conversations about the patient there at once,
// before the event for each of them.
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
	return append(lost, lostRoom{roomName{patientRoom, c.patient}, p.subscription, reasonOffTeam})
}

// Reasons of lost rooms, for clients.
const (
	reasonOffTeam         = "no longer on the care team"
	reasonOffConversation = "no longer in the conversation"
)

// recheck removes the clinic from the patients' rooms if the user has no role left there that a
// care team requires. The directory removes such a person from the clinic's care teams in the same
// transaction, so that granting the role again does not restore the patients.
func (r *rights) recheck(clinic uuid.UUID) (lost []lostRoom) {
	if r.holds(clinic, care.RolesFor(care.RecordRead, care.CareTeam)) {
		return nil
	}
	for id, p := range r.patients {
		p.clinics = slices.DeleteFunc(p.clinics, func(c uuid.UUID) bool { return c == clinic })
		if len(p.clinics) == 0 && !p.self {
			delete(r.patients, id)
			lost = append(lost, lostRoom{roomName{patientRoom, id}, p.subscription, reasonOffTeam})
		}
	}
	return lost
}

// recheckConversations is recheck for conversations at the clinic in which the user takes part by a
// role.
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
			lost = append(lost, lostRoom{roomName{conversationRoom, id}, held.subscription, reasonOffTeam})
		}
	}
	return lost
}

// places returns the places where the index must have the session.
func (r *rights) places() []place {
	list := []place{{kind: userRoom, id: r.user}}
	for _, m := range r.memberships {
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
