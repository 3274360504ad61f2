package realtime

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/olahol/melody"
	"golang.org/x/time/rate"

	"carewire/internal/ledger"
)

// scanChunk is how many entries are looked at between two looks at the ring's lock.
const scanChunk = 128

// session is one socket. What is not atomic is guarded by mu.
type session struct {
	hub     *Hub
	socket  *melody.Session
	user    uuid.UUID
	limiter *rate.Limiter
	// since is the position up to which the rights that the session began with count every change already.
	since int64
	// history is the hub's count when the session began.
	history int

	// due is the first position that may concern the session, set by the tail; 0 for none.
	due atomic.Int64
	// queued says that it waits for a flusher already.
	queued atomic.Bool
	// evicted says that the account was disabled. The close does not wait for a client that reads slowly.
	evicted atomic.Bool

	mu     sync.Mutex
	rights rights
	joined []place
	// scanned is the position up to which every event was looked at and, if it may be seen, framed.
	scanned int64
	// cursor is where the last frame ended, told its position.
	cursor   string
	told     int64
	lastSent time.Time
	// behind says that there may be something behind scanned; paging, that a pager has it or will.
	behind bool
	paging bool
	// flying counts the messages that Melody has and the network has not.
	flying    int
	replies   [][]byte
	closing   bool
	expiry    *time.Timer
	expiresAt time.Time
}

// pump sends what is due, as far as credit goes.
func (s *session) pump() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pumpLocked()
}

func (s *session) pumpLocked() {
	s.sendReplies()
	if due := s.due.Swap(0); due != 0 {
		if !s.behind {
			// Nothing before it was for this session: the index would have told.
			s.scanned = max(s.scanned, due-1)
		}
		s.behind = true
	}
	if s.behind && !s.paging {
		s.scan()
	}
	if s.evicted.Load() {
		s.closeLocked(closeForbidden, "the account is disabled, or its sign-in was taken away")
	}
	s.sendReplies()
}

// scan reads on in the ring and frames what may be seen.
func (s *session) scan() {
	var buf [scanChunk]*entry
	var f frame
	for s.flying < inFlight && !s.closing {
		n, reaches := s.hub.ring.after(s.scanned, buf[:])
		if n == 0 {
			s.emit(&f)
			s.behind = !reaches
			if s.behind && s.flying < inFlight && !s.closing {
				s.paging = true
				s.hub.pages.push(s)
			}
			return
		}
		for _, e := range buf[:n] {
			if s.take(e, &f); s.closing {
				return
			}
			if s.full(&f) {
				s.emit(&f)
				break
			}
		}
	}
}

func (s *session) full(f *frame) bool {
	return len(f.entries) >= s.hub.limits.FrameEvents || f.bytes >= s.hub.limits.FrameBytes
}

// take looks at the next event: it goes into the frame if it may be seen, and what it changes counts for those after it.
// When that ends the session, the frame goes out first.
func (s *session) take(e *entry, f *frame) {
	s.scanned, f.last = e.position(), e
	if s.rights.sees(e) {
		f.add(e)
	}
	if e.change == nil || e.change.user != s.user || e.position() <= s.since {
		return
	}
	if e.change.kind == disabled {
		s.emit(f)
		s.closeLocked(closeForbidden, "the account is disabled, or its sign-in was taken away")
		return
	}
	lost := s.rights.apply(e.change)
	if len(s.rights.held) == 0 {
		s.emit(f)
		s.closeLocked(closeForbidden, "no role is held any more")
		return
	}
	s.rejoin()
	for _, room := range lost {
		s.answer(reply{Type: "unsubscribed", ID: room.subscription, Room: room.room.String(), Reason: room.reason})
	}
}

// rejoin brings the index in line with the rights.
func (s *session) rejoin() {
	want := s.rights.places()
	for _, p := range want {
		if !slices.Contains(s.joined, p) {
			s.hub.index.join(s, p)
		}
	}
	for _, p := range s.joined {
		if !slices.Contains(want, p) {
			s.hub.index.leave(s, p)
		}
	}
	s.joined = want
}

// emit sends the frame if it has events, and empties it.
func (s *session) emit(f *frame) {
	if len(f.entries) > 0 {
		s.tell(f, f.last.at(s.hub.codec))
	}
	f.entries, f.bytes = f.entries[:0], 0
}

// tell sends a frame from where the last one ended.
func (s *session) tell(f *frame, to string) {
	s.write(f.encode(s.cursor, to))
	s.cursor, s.told, s.lastSent = to, s.scanned, time.Now()
}

// advance moves the cursor of a session for which there was nothing. All events up to idle have been brought to the
// sessions that they concern: the caller has read it before, so due tells of any of them.
func (s *session) advance(now time.Time, idle ledger.Cursor, text func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing || s.due.Load() != 0:
		return
	case s.behind:
		s.pumpLocked() // A page that failed is asked for again.
		return
	}
	s.scanned = max(s.scanned, idle.Position)
	skipped := idle.Position - s.told
	late := now.Sub(s.lastSent) >= s.hub.limits.AdvanceAfter || skipped >= int64(s.hub.limits.RingEvents/2)
	if skipped > 0 && late && s.flying == 0 {
		s.tell(&frame{}, text())
	}
}

// answer queues a reply, ahead of the events that are not framed yet.
func (s *session) answer(r reply) {
	if len(s.replies) >= maxReplies {
		s.closeLocked(closeRateExceeded, "too many messages whose answers were not read")
		return
	}
	s.replies = append(s.replies, r.encode())
}

func (s *session) sendReplies() {
	for len(s.replies) > 0 && s.flying < inFlight && !s.closing {
		s.write(s.replies[0])
		s.replies[0] = nil
		s.replies = s.replies[1:]
	}
}

// write hands a message to Melody. The credit it takes comes back with sent.
func (s *session) write(msg []byte) {
	if s.closing {
		return
	}
	s.flying++
	if err := s.socket.Write(msg); err != nil {
		s.closing = true // Its reader has ended, or will.
	}
}

// sent takes back the credit of a message that the network has accepted.
func (s *session) sent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flying--
	s.pumpLocked()
}

func (s *session) close(code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked(code, reason)
}

// closeLocked ends the session: nothing is sent after the close message.
func (s *session) closeLocked(code int, reason string) {
	if s.closing {
		return
	}
	s.closing = true
	s.hub.logger.Info("socket closed", "user_id", s.user, "code", code)
	_ = s.socket.CloseWithMsg(melody.FormatCloseMessage(code, reason)) // An error says that it is closed already.
}

// expireAt closes the session at the given time, instead of the one set before; zero means never.
func (s *session) expireAt(t time.Time) {
	if s.expiry != nil {
		s.expiry.Stop()
		s.expiry = nil
	}
	if !t.IsZero() {
		s.expiry = time.AfterFunc(time.Until(t), func() { s.expired(t) })
	}
	s.expiresAt = t
}

func (s *session) expired(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expiresAt.Equal(t) { // Else it was refreshed while this waited for the lock.
		s.closeLocked(closeExpired, "the token has expired")
	}
}
