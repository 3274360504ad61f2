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

// maxIDLength bounds the id that a client correlates an answer with. It is repeated in the answer.
const maxIDLength = 100

// request is a message from a client.
type request struct {
	Type, ID, Room, Token string
}

// received answers one message. Melody calls it for one message at a time; framelimit has counted
// it.
func (s *session) received(msg []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	req, p := parseRequest(msg)
	if p != nil {
		s.reject(req, p)
	} else {
		s.do(ctx, req)
	}
	s.flush()
}

func (s *session) receivedBinary() {
	s.reject(request{}, &problem{code: string(care.Malformed), detail: "messages must be JSON in text frames, not binary frames"})
	s.flush()
}

// parseRequest reads as much of a message as possible: a problem is reported with the message's id
// if that could be read.
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
		return req, invalid("id", "is required: the answer repeats it")
	}
	return req, nil
}

// decodeRequest reads the fields of a message by their exact names. Other fields are ignored,
// except those that differ only in case.
func decodeRequest(msg []byte) (request, *problem) {
	members, err := strictjson.Object(msg)
	if wrong, ok := errors.AsType[*strictjson.Error](err); ok && wrong.Reason == strictjson.Duplicate {
		return request{}, &problem{code: string(care.Malformed), detail: "duplicate field in an object"}
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
				wrong = invalid(name, "must be in lower case")
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

// reject answers with an error. It repeats the room only if the room's name is valid.
func (s *session) reject(req request, p *problem) {
	room := ""
	if n, bad := parseRoom(req.Room); bad == nil {
		room = n.String()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer(p.reply(req.ID, room))
}

// subscribe joins a room. A room that was joined before gets the same answer as a new one.
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
		p = s.auditDenied(ctx, name, p)
	}
	if p != nil {
		s.hub.logger.Info("socket subscription denied", "user_id", s.user, "room_kind", string(name.kind), "code", p.code)
		s.reject(req, p)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer(reply{Type: "subscribed", ID: req.ID, Room: name.String()})
	if s.socket != nil { // Otherwise it joins when the handshake is done.
		s.rejoin()
		s.behind = true
	}
}

// auditDenied audits the denied room and returns the answer.
func (s *session) auditDenied(ctx context.Context, name roomName, p *problem) *problem {
	if s.hub.denied == nil {
		return p
	}
	s.mu.Lock()
	d := DeniedRoom{Actor: care.Actor{ID: s.user.String(), UserID: s.user, Memberships: slices.Clone(s.rights.memberships)}, Client: s.client, Room: name.String()}
	s.mu.Unlock()
	switch name.kind {
	case userRoom, patientRoom:
		d.PersonID = &name.id
	case clinicRoom:
		d.ClinicID = &name.id
	case conversationRoom: // The service of conversations finds their person by the id.
	}
	if err := s.hub.denied(ctx, d); err != nil {
		s.hub.logger.Warn("cannot audit a denied subscription", "error", postgres.SafeError(err), "user_id", s.user)
		return &problem{code: string(care.Unavailable), detail: "the service cannot answer right now: try again"}
	}
	return p
}

// forbidden returns the problem of a room that the user may not join. It is the same if the room
// does not exist.
func forbidden() *problem {
	return &problem{code: string(care.Forbidden), field: roomParam, detail: "you may not join this room"}
}

// enterClinic joins a room again that was left: the rooms of the user's clinics are joined from the
// start.
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
			if room.clinics, err = s.hub.authorizer.OnCareTeam(ctx, s.user, patient); err != nil {
				return nil, s.lookupFailed("care team", err)
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
		held, in, err := s.hub.authorizer.InConversation(ctx, s.user, conversation)
		if err != nil {
			return nil, s.lookupFailed("conversation", err)
		}
		if !in {
			return nil, forbidden()
		}
		return func() {
			s.rights.conversations[conversation] = conversationOf(id, held)
		}, nil
	})
}

// enter joins a room on request, unless the session is in too many. read looks up the right,
// without the session's lock, and returns a function that stores it, or the reason for a refusal.
// It is called again if the rights have changed in the meantime.
func (s *session) enter(joined func() bool, read func() (set func(), p *problem)) *problem {
	for {
		s.mu.Lock()
		gen, full := s.rights.gen, s.rights.requested() >= s.hub.limits.RoomsPerSession && !joined()
		s.mu.Unlock()
		if full {
			return &problem{code: string(care.RateLimited), field: roomParam, detail: "you have joined the maximum number of rooms: leave one first"}
		}
		set, p := read()
		if p != nil {
			return p
		}
		if s.store(set, gen) {
			return nil
		}
	}
}

// store returns false if the rights are no longer of that generation.
func (s *session) store(set func(), gen int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rights.gen != gen {
		return false
	}
	s.rights.gen++
	set()
	return true
}

// lookupFailed returns the problem of a right that could not be looked up.
func (s *session) lookupFailed(right string, err error) *problem {
	s.hub.logger.Warn("cannot read a right", "right", right, "error", postgres.SafeError(err), "user_id", s.user)
	return &problem{code: string(care.Unavailable), detail: "the service cannot answer right now: try again"}
}

func (s *session) unsubscribe(req request) {
	name, p := parseRoom(req.Room)
	if p == nil && name == (roomName{userRoom, s.user}) {
		p = invalid("room", "you cannot leave your own room")
	}
	if p != nil {
		s.reject(req, p)
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

// refresh accepts a newer token of the same person. The roles in the token are ignored: changes of
// roles arrive with the ledger.
func (s *session) refresh(ctx context.Context, req request) {
	if strings.TrimSpace(req.Token) == "" {
		s.reject(req, invalid("token", "is required"))
		return
	}
	sess, err := s.hub.verify(ctx, req.Token)
	switch code := care.CodeOf(err); {
	case err != nil && (code == "" || code == care.Unavailable):
		s.hub.logger.Warn("cannot verify a token", "error", postgres.SafeError(err), "user_id", s.user)
		s.reject(req, &problem{code: string(care.Unavailable), detail: "the token cannot be verified right now: try again"})
		return
	case err != nil || (!sess.ExpiresAt.IsZero() && !time.Now().Before(sess.ExpiresAt)):
		s.reject(req, &problem{code: string(care.Unauthenticated), field: "token", detail: "the token is invalid or has expired"})
		return
	case sess.Actor.UserID != s.user:
		s.reject(req, &problem{code: string(care.Forbidden), field: "token", detail: "the token belongs to another person: open another socket with it"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	until := sess.ExpiresAt
	if s.id != uuid.Nil && (until.IsZero() || s.idEnds.Before(until)) {
		until = s.idEnds // A browser's session limits the life of its sockets.
	}
	s.expireAt(until)
	s.answer(reply{Type: "refreshed", ID: req.ID})
}
