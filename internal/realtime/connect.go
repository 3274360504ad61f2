package realtime

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/olahol/melody"
	"golang.org/x/time/rate"

	"carewire/internal/care"
	"carewire/internal/ledger"
	"carewire/internal/realtime/framelimit"
)

// Subprotocol is the WebSocket subprotocol of docs/socket.md.
const Subprotocol = "carewire.v1"

// roomParam is the query parameter with a room to join at the handshake; it may be repeated. A
// client that resumes needs it: when it could subscribe, its cursor may have moved past the events
// that it missed there.
const roomParam = "room"

const sessionKey = "session"

// Reasons of close messages.
const (
	goingAway = "the service is shutting down: reconnect"
	restored  = "the ledger was restored: reconnect"
)

func sessionOf(ms *melody.Session) *session { return ms.MustGet(sessionKey).(*session) }

// Serve upgrades the request to a socket of the session's person, starting at the cursor if there
// is one, and returns once the socket is open: it then has its own goroutines, so that the request's
// goroutine and buffers are free. If it returns an error, nothing was written yet: care.Malformed
// for a request that is not a handshake of this protocol, care.Forbidden for an origin or a person
// that may not connect, care.Unauthenticated, care.RateLimited for too many sockets of one person,
// care.Unavailable while the service starts or stops.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, sess Session, cursor string) error {
	if err := h.check(r, sess); err != nil {
		return err
	}
	release, err := h.reserve(sess.Actor.UserID)
	if err != nil {
		return err
	}
	s, err := h.newSession(r, sess, cursor)
	if err != nil {
		release()
		return err
	}
	opened := make(chan struct{})
	s.open = sync.OnceFunc(func() { close(opened) })
	go h.run(s, w, r, release)
	<-opened
	return nil
}

// run upgrades the request and reads the socket until it ends. The request and its writer are used
// only until the session is open.
func (h *Hub) run(s *session, w http.ResponseWriter, r *http.Request, release func()) {
	defer release()
	defer s.open() // If the upgrade has failed.
	defer h.remove(s)
	defer func() {
		if p := recover(); p != nil { // The other sockets of the process go on.
			h.logger.Error("panic in a socket", "panic", fmt.Sprint(p), "stack", string(debug.Stack()), "user_id", s.user)
			s.cut()
		}
	}()
	if err := h.melody.HandleRequestWithKeys(hijacker{w, s}, r, map[string]any{sessionKey: s}); err != nil {
		// The upgrade has answered the request, or the connection is lost.
		h.logger.Debug("socket not opened", "error", err.Error(), "user_id", s.user)
	}
}

// hijacker finds the connection below the router's wrappers, and limits its frames.
type hijacker struct {
	http.ResponseWriter
	session *session
}

func (w hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("hijack: %w", err)
	}
	w.session.conn = newConn(framelimit.Wrap(conn, w.session.limiter, w.session.flooded), conn)
	return w.session.conn, rw, nil
}

// check validates the request before anything is read or reserved.
func (h *Hub) check(r *http.Request, sess Session) error {
	if !websocket.IsWebSocketUpgrade(r) {
		return care.Errorf(care.Malformed, "this address accepts WebSocket connections only: use a WebSocket client and the subprotocol %s", Subprotocol)
	}
	if !h.originAllowed(r) {
		return care.Errorf(care.Forbidden, "this origin may not open sockets: add it to the service's allowed origins")
	}
	if offered := websocket.Subprotocols(r); len(offered) > 0 && !slices.Contains(offered, Subprotocol) {
		return care.Errorf(care.Malformed, "unsupported subprotocols: offer %s", Subprotocol)
	}
	switch {
	case sess.Actor.UserID == uuid.Nil:
		return care.Errorf(care.Forbidden, "sockets are for people; programs read the ledger")
	case !sess.ExpiresAt.IsZero() && !time.Now().Before(sess.ExpiresAt):
		return care.Errorf(care.Unauthenticated, "the token has expired")
	}
	select {
	case <-h.ready:
		return nil
	case <-time.After(askTimeout / 2):
	case <-r.Context().Done():
	}
	return care.Errorf(care.Unavailable, "the service is starting: reconnect in a moment")
}

// originAllowed accepts requests without Origin (not from a browser), the service's own pages, and
// the configured origins.
func (h *Hub) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || h.origins[origin] {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// reserve takes one of the person's connections, which release returns.
func (h *Hub) reserve(user uuid.UUID) (release func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.draining:
		return nil, care.Errorf(care.Unavailable, "the service is shutting down: reconnect")
	case h.perUser[user] >= h.limits.ConnectionsPerUser:
		return nil, care.Errorf(care.RateLimited, "you have the maximum of %d open sockets: close one first", h.limits.ConnectionsPerUser)
	}
	h.perUser[user]++
	h.open.Add(1)
	return func() {
		h.mu.Lock()
		if h.perUser[user]--; h.perUser[user] == 0 {
			delete(h.perUser, user)
		}
		h.mu.Unlock()
		h.open.Done()
	}, nil
}

// Head returns the cursor behind the last event that this instance has read; zero before it has read
// any.
func (h *Hub) Head() ledger.Cursor { return h.ring.newest() }

// newSession reads the initial state of a session, while the request can still be refused.
//
// The order matters. First comes the position from which changes of rights will be watched, then
// the rights: a change up to that position is part of the rights that are read then, and a later
// change arrives as an event. In the other order, a role that was revoked between the two would be
// kept for ever. The caller has read the rights behind Session.Since. They are read again for a
// client's cursor ahead of it, whose check has proved that its position is committed.
func (h *Hub) newSession(r *http.Request, sess Session, cursor string) (*session, error) {
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	names := r.URL.Query()[roomParam]
	if len(names) > h.limits.RoomsPerSession {
		return nil, care.InvalidField(roomParam, "must not be repeated more than %d times", h.limits.RoomsPerSession)
	}
	s := &session{
		hub: h, user: sess.Actor.UserID, client: sess.Client, id: sess.ID, idEnds: sess.ExpiresAt, behind: true, lastSent: time.Now(), patience: randomPatience(),
	}
	s.limiter = rate.NewLimiter(rate.Limit(h.limits.MessagesPerSecond), h.limits.MessageBurst)
	h.mu.Lock()
	s.history = h.history
	h.mu.Unlock()
	head, known := sess.Since, sess.Since != ledger.Cursor{}
	if !known {
		head = h.ring.newest()
	}
	start, resync, err := h.start(ctx, cursor, head)
	if err != nil {
		return nil, err
	}
	memberships := sess.Actor.Memberships
	if !known || start.Position > head.Position {
		actor, err := h.actor(ctx, s.user, s.id)
		if err != nil {
			return nil, err
		}
		memberships = actor.Memberships
	}
	if len(memberships) == 0 {
		return nil, noRole()
	}
	s.rights = rights{user: s.user, memberships: slices.Clone(memberships), patients: map[uuid.UUID]*patientRights{}, conversations: map[uuid.UUID]conversationRights{}}
	s.since.Store(max(head.Position, start.Position))
	s.scanned, s.sentTo, s.cursor, s.expiresAt = start.Position, start.Position, h.codec.Encode(start), sess.ExpiresAt
	if resync != "" {
		s.answer(reply{Type: "resync", Reason: resync})
	}
	s.answer(reply{Type: "hello", Cursor: s.cursor})
	for _, name := range names {
		s.subscribe(ctx, request{Room: name})
	}
	return s, nil
}

// start returns the session's first cursor: the client's if it is valid, or else the head, with the
// reason for the resync.
func (h *Hub) start(ctx context.Context, text string, head ledger.Cursor) (ledger.Cursor, string, error) {
	if text == "" {
		return head, "", nil
	}
	cursor, err := h.codec.Decode(text)
	if err != nil {
		return head, "invalid", nil //nolint:nilerr // An invalid cursor is answered with resync.
	}
	if h.ring.has(cursor) {
		return cursor, "", nil
	}
	err = ledger.Resume(ctx, h.pool, cursor)
	if stale, ok := errors.AsType[*ledger.ResyncError](err); ok {
		return head, stale.Reason, nil
	}
	if err != nil {
		return head, "", fmt.Errorf("check the cursor: %w", err)
	}
	if head.Position-cursor.Position > h.limits.MaxBehind {
		return head, "too_old", nil
	}
	return cursor, "", nil
}

// connected adds the session to the hub. Melody calls it after the upgrade, before it reads.
func (h *Hub) connected(ms *melody.Session) {
	s := sessionOf(ms)
	ms.Request = nil // Its headers would take memory for as long as the socket is open.
	s.open()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.socket = ms
	s.expireAt(s.expiresAt)
	s.rejoin()
	s.endMissed()
	h.mu.Lock()
	s.slot = h.nextSlot
	h.nextSlot = (h.nextSlot + 1) % slots
	h.sessions[s.slot][s] = struct{}{}
	draining, replaced := h.draining, h.history != s.history
	h.mu.Unlock()
	switch {
	case draining:
		s.closeLocked(closeGoingAway, goingAway)
	case replaced:
		s.closeLocked(closeRestart, restored)
	default:
		h.wakeUp(s)
	}
}

// endMissed looks for an event that ended the session during the handshake, before the index had
// the session. If the ring no longer has it, the session finds it when it reads on.
func (s *session) endMissed() {
	var buf [scanChunk]*entry
	for at := s.since.Load(); ; {
		n, _ := s.hub.ring.after(at, buf[:])
		if n == 0 {
			return
		}
		for _, e := range buf[:n] {
			if e.change != nil {
				s.end(e.change.ends(s))
			}
		}
		at = buf[n-1].position()
	}
}

// remove removes a session that has ended, or never began.
func (h *Hub) remove(s *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	s.expireAt(time.Time{})
	h.index.leave(s, s.joined...)
	s.replies = nil
	s.landAll()
	h.mu.Lock()
	delete(h.sessions[s.slot], s)
	h.mu.Unlock()
}
