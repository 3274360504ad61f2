package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/postgres"
	"carewire/internal/strictjson"
)

// maxIDLength bounds the id by which a client knows an answer.
const maxIDLength = 100

// request is a message from a client.
type request struct {
	Type, ID, Room, Token string
}

// received answers one message. Melody calls it for one message after the other; the meter has counted it.
func (s *session) received(ctx context.Context, msg []byte) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, p := parseRequest(msg)
	if p != nil {
		s.refuse(req, p)
	} else {
		s.do(ctx, req)
	}
	s.pump()
}

func (s *session) receivedBinary() {
	s.refuse(request{}, &problem{code: string(care.Malformed), detail: "messages are JSON in text frames, not binary ones"})
	s.pump()
}

// parseRequest reads a message as far as it can: what is wrong is told with the message's id, if that could be read.
func parseRequest(msg []byte) (request, *problem) {
	req, wrong := decodeRequest(msg)
	switch {
	case wrong != nil && wrong.code == string(care.Malformed):
		return request{}, wrong
	case len(req.ID) > maxIDLength:
		req.ID = ""
		return req, invalid("id", "must have at most 100 bytes")
	case wrong != nil:
		return req, wrong
	case !slices.Contains([]string{"subscribe", "unsubscribe", "refresh"}, req.Type):
		return req, invalid("type", "must be subscribe, unsubscribe or refresh")
	case req.ID == "":
		return req, invalid("id", "is needed: the answer carries it")
	}
	return req, nil
}

// decodeRequest reads the fields of a message by their exact names. Other fields are ignored, but for those that only differ from
// one of these by case.
func decodeRequest(msg []byte) (request, *problem) {
	members, err := strictjson.Object(msg)
	if wrong, ok := errors.AsType[*strictjson.Error](err); ok && wrong.Reason == strictjson.Duplicate {
		return request{}, &problem{code: string(care.Malformed), detail: "a field is given twice in one object: give it once"}
	}
	if err != nil {
		return request{}, &problem{code: string(care.Malformed), detail: "the message is not a JSON object"}
	}
	var req request
	var wrong *problem
	for name, into := range map[string]*string{"type": &req.Type, "id": &req.ID, "room": &req.Room, "token": &req.Token} {
		if raw, there := members[name]; there && json.Unmarshal(raw, into) != nil {
			wrong = invalid(name, "must be a string")
		}
		for other := range members {
			if other != name && strings.EqualFold(other, name) {
				wrong = invalid(name, "is spelt in another case: write it in small letters")
			}
		}
	}
	return req, wrong
}

func (s *session) do(ctx context.Context, req request) {
	switch req.Type {
	case "subscribe":
		s.subscribe(ctx, req)
	case "unsubscribe":
		s.unsubscribe(req)
	case "refresh":
		s.refresh(ctx, req)
	}
}

// refuse answers with an error. A room is repeated only where it is a room's name.
func (s *session) refuse(req request, p *problem) {
	room := ""
	if n, bad := parseRoom(req.Room); bad == nil {
		room = n.String()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer(p.reply(req.ID, room))
}

// subscribe joins a room. A room that is joined already is answered like a new one.
func (s *session) subscribe(ctx context.Context, req request) {
	name, p := parseRoom(req.Room)
	if p == nil {
		switch name.kind {
		case userRoom:
			if name.id != s.user {
				p = forbidden()
			}
		case clinicRoom:
			p = s.enterClinic(name.id)
		case patientRoom:
			p = s.enterPatient(ctx, name.id, req.ID)
		case conversationRoom:
			p = s.enterConversation(ctx, name.id, req.ID)
		}
	}
	if p != nil && p.code == string(care.Forbidden) {
		p = s.denied(ctx, name, p)
	}
	if p != nil {
		s.hub.logger.Info("socket subscription refused", "user_id", s.user, "room_kind", string(name.kind), "code", p.code)
		s.refuse(req, p)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer(reply{Type: "subscribed", ID: req.ID, Room: name.String()})
	if s.socket != nil { // Else it joins when the handshake is done.
		s.rejoin()
		s.behind = true
	}
}

// denied has the refusal audited, and gives what to answer.
func (s *session) denied(ctx context.Context, name roomName, p *problem) *problem {
	if s.hub.denied == nil {
		return p
	}
	s.mu.Lock()
	d := Denial{Actor: care.Actor{ID: s.user.String(), UserID: s.user, Memberships: slices.Clone(s.rights.held)}, Room: name.String()}
	s.mu.Unlock()
	switch name.kind {
	case userRoom, patientRoom:
		d.PersonID = &name.id
	case clinicRoom:
		d.ClinicID = &name.id
	case conversationRoom: // Whose it is, is known to the service that keeps it: its id is enough to find out.
	}
	if err := s.hub.denied(ctx, d); err != nil {
		s.hub.logger.Warn("refused subscription not audited", "error", postgres.SafeError(err), "user_id", s.user)
		return &problem{code: string(care.Unavailable), detail: "this cannot be answered now: try again"}
	}
	return p
}

// forbidden is the same for a room that does not exist.
func forbidden() *problem {
	return &problem{code: string(care.Forbidden), field: roomParam, detail: "you may not join this room"}
}

// enterClinic goes back into a room that was left: those of one's own clinics are joined from the start.
func (s *session) enterClinic(clinic uuid.UUID) *problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.rights.holds(clinic, staff) {
		return forbidden()
	}
	s.rights.gen++
	s.rights.left = slices.DeleteFunc(s.rights.left, func(c uuid.UUID) bool { return c == clinic })
	return nil
}

func (s *session) enterPatient(ctx context.Context, patient uuid.UUID, id string) *problem {
	return s.enter(func() bool { return s.rights.patients[patient] != nil }, func() (func(), *problem) {
		room := &patientRights{subscription: id, self: patient == s.user}
		if !room.self {
			var err error
			if room.clinics, err = s.hub.rights.OnCareTeam(ctx, s.user, patient); err != nil {
				return nil, s.unknown("care team", err)
			}
			if len(room.clinics) == 0 {
				return nil, forbidden()
			}
		}
		return func() { s.rights.patients[patient] = room }, nil
	})
}

func (s *session) enterConversation(ctx context.Context, conversation uuid.UUID, id string) *problem {
	in := func() bool { _, in := s.rights.conversations[conversation]; return in }
	return s.enter(in, func() (func(), *problem) {
		held, in, err := s.hub.rights.InConversation(ctx, s.user, conversation)
		if err != nil {
			return nil, s.unknown("conversation", err)
		}
		if !in {
			return nil, forbidden()
		}
		return func() {
			s.rights.conversations[conversation] = conversationOf(id, held)
		}, nil
	})
}

// enter joins a room that is there on request, unless the session is in too many. read looks the right up, without the
// session's lock, and gives what notes it, or why it is refused; it is asked again when the rights have changed meanwhile.
func (s *session) enter(joined func() bool, read func() (note func(), p *problem)) *problem {
	for {
		s.mu.Lock()
		gen, full := s.rights.gen, s.rights.asked() >= s.hub.limits.RoomsPerSession && !joined()
		s.mu.Unlock()
		if full {
			return &problem{code: string(care.RateLimited), field: roomParam, detail: "you have joined the most rooms allowed: leave one first"}
		}
		note, p := read()
		if p != nil {
			return p
		}
		if s.note(note, gen) {
			return nil
		}
	}
}

// note is false when the rights are no longer of that generation.
func (s *session) note(note func(), gen int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rights.gen != gen {
		return false
	}
	s.rights.gen++
	note()
	return true
}

// unknown tells that a right could not be looked up.
func (s *session) unknown(what string, err error) *problem {
	s.hub.logger.Warn("right not read", "right", what, "error", postgres.SafeError(err), "user_id", s.user)
	return &problem{code: string(care.Unavailable), detail: "this cannot be answered now: try again"}
}

func (s *session) unsubscribe(req request) {
	name, p := parseRoom(req.Room)
	if p == nil && name == (roomName{userRoom, s.user}) {
		p = invalid("room", "your own room cannot be left")
	}
	if p != nil {
		s.refuse(req, p)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case name.kind == patientRoom:
		s.rights.gen++
		delete(s.rights.patients, name.id)
	case name.kind == conversationRoom:
		s.rights.gen++
		delete(s.rights.conversations, name.id)
	case name.kind == clinicRoom && s.rights.holds(name.id, staff) && !slices.Contains(s.rights.left, name.id):
		s.rights.gen++
		s.rights.left = append(s.rights.left, name.id)
	}
	s.rejoin()
	s.answer(reply{Type: "unsubscribed", ID: req.ID, Room: name.String()})
}

// refresh takes a newer token of the same person. Their roles are not taken from it: those come with the ledger.
func (s *session) refresh(ctx context.Context, req request) {
	if strings.TrimSpace(req.Token) == "" {
		s.refuse(req, invalid("token", "is needed"))
		return
	}
	sess, err := s.hub.verify(ctx, req.Token)
	switch code := care.CodeOf(err); {
	case err != nil && (code == "" || code == care.Unavailable):
		s.hub.logger.Warn("token not verified", "error", postgres.SafeError(err), "user_id", s.user)
		s.refuse(req, &problem{code: string(care.Unavailable), detail: "the token cannot be checked now: try again"})
		return
	case err != nil || (!sess.ExpiresAt.IsZero() && !time.Now().Before(sess.ExpiresAt)):
		s.refuse(req, &problem{code: string(care.Unauthenticated), field: "token", detail: "the token is not good, or has expired"})
		return
	case sess.Actor.UserID != s.user:
		s.refuse(req, &problem{code: string(care.Forbidden), field: "token", detail: "the token is somebody else's: open a socket of its own with it"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	until := sess.ExpiresAt
	if s.id != uuid.Nil && (until.IsZero() || s.idEnds.Before(until)) {
		until = s.idEnds // A socket that a browser's session opened does not outlive it.
	}
	s.expireAt(until)
	s.answer(reply{Type: "refreshed", ID: req.ID})
}
