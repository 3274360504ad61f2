package realtime

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/olahol/melody"
	"golang.org/x/time/rate"

	"carewire/internal/care"
	"carewire/internal/ledger"
)

// Subprotocol is the name under which docs/socket.md is negotiated.
const Subprotocol = "carewire.v1"

// roomParam names, once or more, the rooms to join at the handshake. A client that resumes needs it: by the time it could
// subscribe, its cursor may have moved past what it missed there.
const roomParam = "room"

const sessionKey = "session"

// What a close message says to the person who reads it.
const (
	goingAway = "the service is going away: connect again"
	restored  = "the ledger was restored: connect again"
)

func sessionOf(ms *melody.Session) *session { return ms.MustGet(sessionKey).(*session) }

// Serve makes the request a socket of the session's person, from the cursor on if there is one, and returns when the
// socket has ended. An error means that nothing was written yet: care.Malformed for what is no handshake of this
// protocol, care.Forbidden for an origin or a person that may not, care.Unauthenticated, care.RateLimited for too many
// sockets of one person, care.Unavailable while the service starts or stops.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, sess Session, cursor string) error {
	if err := h.check(r, sess); err != nil {
		return err
	}
	release, err := h.reserve(sess.Actor.UserID)
	if err != nil {
		return err
	}
	defer release()
	s, err := h.prepare(r, sess, cursor)
	if err != nil {
		return err
	}
	defer h.drop(s)
	if err := h.melody.HandleRequestWithKeys(hijacker{w, s}, r, map[string]any{sessionKey: s}); err != nil {
		// The upgrade has answered by itself, or the connection is gone.
		h.logger.Debug("socket not opened", "error", err.Error(), "user_id", s.user)
	}
	return nil
}

// hijacker finds the connection below whatever the router has wrapped around it, and has its frames counted.
type hijacker struct {
	http.ResponseWriter
	session *session
}

func (w hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("hijack: %w", err)
	}
	return metered(conn, meter{limiter: w.session.limiter, flooded: w.session.flooded}), rw, nil
}

// check refuses before anything is read or reserved.
func (h *Hub) check(r *http.Request, sess Session) error {
	if !websocket.IsWebSocketUpgrade(r) {
		return care.Errorf(care.Malformed, "this address speaks WebSocket only: connect with a WebSocket client and the subprotocol %s", Subprotocol)
	}
	if !h.originAllowed(r) {
		return care.Errorf(care.Forbidden, "pages of this origin may not open sockets: add it to the service's allowed origins")
	}
	if offered := websocket.Subprotocols(r); len(offered) > 0 && !slices.Contains(offered, Subprotocol) {
		return care.Errorf(care.Malformed, "none of the offered subprotocols is spoken here: offer %s", Subprotocol)
	}
	switch {
	case sess.Actor.UserID == uuid.Nil:
		return care.Errorf(care.Forbidden, "sockets are for people; a program reads the ledger")
	case !sess.ExpiresAt.IsZero() && !time.Now().Before(sess.ExpiresAt):
		return care.Errorf(care.Unauthenticated, "the token has expired")
	}
	select {
	case <-h.ready:
		return nil
	case <-time.After(askTimeout / 2):
	case <-r.Context().Done():
	}
	return care.Errorf(care.Unavailable, "the service is starting: connect again in a moment")
}

// originAllowed lets in whoever sends no Origin (no browser), the service's own pages, and the configured ones.
func (h *Hub) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || h.origins[origin] {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// reserve takes one of the person's places, which release gives back.
func (h *Hub) reserve(user uuid.UUID) (release func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.draining:
		return nil, care.Errorf(care.Unavailable, "the service is going away: connect again")
	case h.perUser[user] >= h.limits.ConnectionsPerUser:
		return nil, care.Errorf(care.RateLimited, "you have %d sockets open, which is the most allowed: close one first", h.limits.ConnectionsPerUser)
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

// prepare reads all that a session begins with, while the request can still be refused.
//
// The order matters. First the position from which changes of rights will be watched, then the rights: whatever changed
// up to that position is in what is read then, and whatever changes later passes by as an event. The other way round, a
// role taken between the two would be held for ever. A client's cursor may be ahead of this process's tail; checking it
// first proves that its position is committed.
func (h *Hub) prepare(r *http.Request, sess Session, cursor string) (*session, error) {
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	names := r.URL.Query()[roomParam]
	if len(names) > h.limits.RoomsPerSession {
		return nil, care.InvalidField(roomParam, "must not stand more than %d times", h.limits.RoomsPerSession)
	}
	s := &session{
		hub: h, user: sess.Actor.UserID, id: sess.ID, idEnds: sess.ExpiresAt, behind: true, lastSent: time.Now(), patience: impatient(),
	}
	s.limiter = rate.NewLimiter(rate.Limit(h.limits.MessagesPerSecond), h.limits.MessageBurst)
	h.mu.Lock()
	s.history = h.history
	h.mu.Unlock()
	head := h.ring.newest()
	start, resync, err := h.start(ctx, cursor, head)
	if err != nil {
		return nil, err
	}
	actor, err := h.actor(ctx, s.user, s.id)
	if err != nil {
		return nil, err
	}
	s.rights = rights{user: s.user, held: slices.Clone(actor.Memberships), patients: map[uuid.UUID]*patientRights{}, conversations: map[uuid.UUID]conversationRights{}}
	s.since.Store(max(head.Position, start.Position))
	s.scanned, s.told, s.cursor, s.expiresAt = start.Position, start.Position, h.codec.Encode(start), sess.ExpiresAt
	if resync != "" {
		s.answer(reply{Type: "resync", Reason: resync})
	}
	s.answer(reply{Type: "hello", Cursor: s.cursor})
	for _, name := range names {
		s.subscribe(ctx, request{Room: name})
	}
	return s, nil
}

// start tells where the session begins: at its cursor if that is still good, else at the head, with the reason.
func (h *Hub) start(ctx context.Context, text string, head ledger.Cursor) (ledger.Cursor, string, error) {
	if text == "" {
		return head, "", nil
	}
	cursor, err := h.codec.Decode(text)
	if err != nil {
		return head, "invalid", nil //nolint:nilerr // A cursor that is not ours is answered with resync.
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

// connected makes the session one of the hub's. Melody calls it before it starts to write.
func (h *Hub) connected(ms *melody.Session) {
	s := sessionOf(ms)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.socket = ms
	s.expireAt(s.expiresAt)
	s.rejoin()
	s.missed()
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

// missed looks for an event that ended the session while the handshake was under way, before the index knew of it. Where the
// ring has forgotten it, the session comes upon it as it reads on.
func (s *session) missed() {
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

// drop lets go of a session that has ended, or never began.
func (h *Hub) drop(s *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	s.expireAt(time.Time{})
	h.index.leave(s, s.joined...)
	s.replies = nil
	h.mu.Lock()
	delete(h.sessions[s.slot], s)
	h.mu.Unlock()
}
