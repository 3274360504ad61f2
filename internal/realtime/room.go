package realtime

import (
	"strings"
	"sync"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// roomKind is the part of a room's name before the colon.
type roomKind string

const (
	userRoom         roomKind = "user"
	clinicRoom       roomKind = "clinic"
	patientRoom      roomKind = "patient"
	conversationRoom roomKind = "conversation"
)

// staff are the roles that join their clinic's room.
var staff = []care.Role{care.Doctor, care.Nurse, care.Receptionist, care.Admin}

// roomName is the name of a room.
type roomName struct {
	kind roomKind
	id   uuid.UUID
}

func (n roomName) String() string { return string(n.kind) + ":" + n.id.String() }

// parseRoom parses a room's name. The problem is for the client, about its field room.
func parseRoom(s string) (roomName, *problem) {
	kind, id, ok := strings.Cut(s, ":")
	n := roomName{kind: roomKind(kind)}
	switch n.kind {
	case userRoom, clinicRoom, patientRoom, conversationRoom:
	default:
		ok = false
	}
	if !ok {
		return n, invalid("room", "must be user:<id>, clinic:<id>, patient:<id> or conversation:<id>")
	}
	var err error
	// uuid.Parse accepts other forms, which would be other names of the same room.
	if n.id, err = uuid.Parse(id); err != nil || len(id) != 36 {
		return n, invalid("room", "must have a UUID after the colon")
	}
	return n, nil
}

// place is a key of the index for sessions that an event may concern. A clinic's room has one place
// per role, so that an event visits only sessions with a role that may see it.
type place struct {
	kind roomKind
	id   uuid.UUID
	role care.Role
}

// index has the sessions in each place.
type index struct {
	mu     sync.RWMutex
	places map[place]map[*session]struct{}
}

func newIndex() *index { return &index{places: map[place]map[*session]struct{}{}} }

func (x *index) join(s *session, p place) {
	x.mu.Lock()
	defer x.mu.Unlock()
	in := x.places[p]
	if in == nil {
		in = map[*session]struct{}{}
		x.places[p] = in
	}
	in[s] = struct{}{}
}

func (x *index) leave(s *session, places ...place) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, p := range places {
		delete(x.places[p], s)
		if len(x.places[p]) == 0 {
			delete(x.places, p)
		}
	}
}

// mark sets due on every session that one of the events may concern. It returns woken with the
// sessions added that had none before.
func (x *index) mark(batch []*entry, woken []*session) []*session {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, e := range batch {
		if e.decl == nil {
			continue
		}
		visit := func(p place) {
			for s := range x.places[p] {
				if e.change != nil && p.kind == userRoom && e.position() > s.since.Load() {
					s.end(e.change.ends(s))
				}
				if s.due.Load() == 0 && s.due.CompareAndSwap(0, e.position()) {
					woken = append(woken, s)
				}
			}
		}
		if e.person != uuid.Nil && (e.personSees || e.change != nil) {
			visit(place{kind: userRoom, id: e.person})
		}
		if e.change != nil && e.change.user != e.person && e.change.user != uuid.Nil {
			visit(place{kind: userRoom, id: e.change.user})
		}
		if e.change.ofEveryone() {
			for p := range x.places {
				if p.kind == userRoom {
					visit(p)
				}
			}
		}
		if e.conversation != uuid.Nil {
			visit(place{kind: conversationRoom, id: e.conversation})
		}
		if e.clinic == uuid.Nil || len(e.decl.Roles) == 0 {
			continue
		}
		for _, role := range e.decl.Roles {
			visit(place{kind: clinicRoom, id: e.clinic, role: role})
		}
		if e.person != uuid.Nil {
			visit(place{kind: patientRoom, id: e.person})
		}
	}
	return woken
}

// size returns the number of places with sessions.
func (x *index) size() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.places)
}
