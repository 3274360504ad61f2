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
	patients map[uuid.UUID]*patientRights
	// gen counts the changes: what was read from the database for an older one is read again.
	gen int
}

// patientRights says at which clinics the session's user is on the patient's care team.
type patientRights struct {
	patient uuid.UUID
	// subscription is the id of the message that asked for the room; empty when it was asked for at the handshake.
	subscription string
	// self says that the user is that patient.
	self    bool
	clinics []uuid.UUID
}

func (p *patientRights) name() string { return roomName{patientRoom, p.patient}.String() }

// holds reports whether one of the roles is held at the clinic. Being a patient there opens no room.
func (r *rights) holds(clinic uuid.UUID, roles []care.Role) bool {
	return slices.ContainsFunc(r.held, func(m care.Membership) bool {
		return m.ClinicID != nil && *m.ClinicID == clinic && m.Role != care.Patient && slices.Contains(roles, m.Role)
	})
}

// sees decides whether the session gets the event, through whichever room.
func (r *rights) sees(e *entry) bool {
	d := e.decl
	if d == nil {
		return false
	}
	if d.Person && e.person == r.user {
		return true
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

// apply takes a change of the user's own rights into account and tells which patients' rooms are lost with it.
func (r *rights) apply(c *change) (lost []*patientRights) {
	r.gen++
	if c.kind == joined || c.kind == left {
		return r.applyTeam(c)
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
		return r.recheck(*clinic)
	}
	return nil
}

// applyTeam adds a clinic to a patient's room that was asked for, or takes it away; the room is lost with its last one.
func (r *rights) applyTeam(c *change) (lost []*patientRights) {
	p, ok := r.patients[c.patient]
	if !ok {
		return nil
	}
	p.clinics = slices.DeleteFunc(p.clinics, func(clinic uuid.UUID) bool { return clinic == c.clinic })
	if c.kind == joined {
		p.clinics = append(p.clinics, c.clinic)
	}
	if len(p.clinics) > 0 || p.self {
		return nil
	}
	delete(r.patients, c.patient)
	return []*patientRights{p}
}

// recheck drops the clinic from the patients' rooms when no role that a care team counts is held there any more. The
// directory takes such a person off the clinic's care teams in the same transaction, so a role that is granted again
// does not bring the patients back.
func (r *rights) recheck(clinic uuid.UUID) (lost []*patientRights) {
	if r.holds(clinic, care.RolesFor(care.RecordRead, care.CareTeam)) {
		return nil
	}
	for id, p := range r.patients {
		p.clinics = slices.DeleteFunc(p.clinics, func(c uuid.UUID) bool { return c == clinic })
		if len(p.clinics) == 0 && !p.self {
			delete(r.patients, id)
			lost = append(lost, p)
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
	return list
}

// clinics lists those whose events the session may see by a role there, for a look into the database.
func (r *rights) clinics() []uuid.UUID {
	list := []uuid.UUID{}
	for _, m := range r.held {
		if m.ClinicID != nil && slices.Contains(staff, m.Role) && !slices.Contains(r.left, *m.ClinicID) && !slices.Contains(list, *m.ClinicID) {
			list = append(list, *m.ClinicID)
		}
	}
	return list
}

func (r *rights) watched() []uuid.UUID {
	list := make([]uuid.UUID, 0, len(r.patients))
	for id := range r.patients {
		list = append(list, id)
	}
	return list
}

func equal(a, b *uuid.UUID) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}
