package realtime

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/olahol/melody"
	"golang.org/x/time/rate"

	"carewire/internal/care"
	"carewire/internal/ledger"
)

// scanChunk is the number of entries per lock of the ring.
const scanChunk = 128

// session is one socket. mu guards the fields that are not atomic.
type session struct {
	hub    *Hub
	socket *melody.Session
	conn   *conn
	user   uuid.UUID
	client care.Client
	// id is the browser's session, which ends at idEnds; zero for none.
	id      uuid.UUID
	idEnds  time.Time
	limiter *rate.Limiter
	// since is the position up to which the session's rights, as read at the start or by the last
	// recheck, include every change.
	since atomic.Int64
	// history is the hub's count when the session began.
	history int
	// open reports that the socket is open, or will never be.
	open func()
	// slot is the part of a tick in which the session has its turn.
	slot int

	// due is the first position that may concern the session, set by the tail; 0 for none.
	due atomic.Int64
	// queued reports whether the session waits for a flusher already.
	queued atomic.Bool
	// ended is how an event closes the session, without waiting for a client that reads slowly;
	// nil if it is open.
	ended atomic.Pointer[ending]

	mu     sync.Mutex
	rights rights
	joined []place
	// scanned is the position up to which every event was read and, if visible, added to a frame.
	scanned int64
	// cursor is the end of the last frame, and sentTo its position.
	cursor   string
	sentTo   int64
	lastSent time.Time
	// patience is the wait for the next empty frame since lastSent, in multiples of
	// Limits.AdvanceAfter.
	patience float64
	// behind reports whether there may be events behind scanned; paging, whether a pager has the
	// session or will.
	behind bool
	paging bool
	// recheckDue reports that the rights must be read again before anything behind scanned is
	// sent.
	recheckDue bool
	// flying are the messages that the network has not accepted, in their order: a frame of events, or
	// nil for another message. Melody has them, except a frame that is being finished.
	flying  []*sharedFrame
	replies [][]byte
	// counts is an inbox frame that waits for credit; nil for none.
	counts    []byte
	closing   bool
	expiry    *time.Timer
	expiresAt time.Time
}

// flush sends the due events, as far as the credit allows.
func (s *session) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushLocked()
}

func (s *session) flushLocked() {
	s.sendReplies()
	if due := s.due.Swap(0); due != 0 {
		if !s.behind {
			// No earlier event was for this session: the index would have marked it.
			s.scanned = max(s.scanned, due-1)
		}
		s.behind = true
	}
	if s.behind && !s.paging {
		s.scan()
	}
	if end := s.ended.Load(); end != nil {
		s.closeLocked(end.code, end.reason)
	}
	s.sendReplies()
	s.sendCounts()
}

// end closes the session at the next flush; nil changes nothing.
func (s *session) end(how *ending) {
	if how != nil {
		s.ended.CompareAndSwap(nil, how)
	}
}

// scan reads on, in the ring or in the windows behind it, and adds the visible events to frames.
func (s *session) scan() {
	var buf [scanChunk]*entry
	var f frame
	for s.credit() && !s.closing {
		if s.recheckDue {
			s.requestPage()
			return
		}
		n, inRing := s.hub.after(s.scanned, buf[:])
		if n == 0 {
			s.emit(&f)
			s.behind = !inRing
			if s.behind && s.credit() && !s.closing {
				s.requestPage()
			}
			return
		}
		for _, e := range buf[:n] {
			if s.consume(e, &f); s.closing {
				return
			}
			if s.full(&f) || s.recheckDue {
				s.emit(&f)
				break
			}
		}
		if !inRing && len(f.entries) == 0 && s.scanned-s.sentTo >= advanceSpan {
			s.send(&f, f.last.at(s.hub.codec))
		}
	}
}

// credit reports whether another message may be in flight.
func (s *session) credit() bool {
	return len(s.flying) == 0 || len(s.flying) < inFlight && !s.hub.frames.crowded()
}

// requestPage queues the session for a pager.
func (s *session) requestPage() {
	s.paging = true
	s.hub.pages.push(s)
}

func (s *session) full(f *frame) bool {
	limit := s.hub.limits.FrameBytes
	if s.hub.frames.crowded() {
		limit = min(limit, crowdedFrame)
	}
	return len(f.entries) >= s.hub.limits.FrameEvents || f.bytes >= limit || len(f.entries) > 0 && s.scanned == f.end
}

// consume reads the next event: it adds the event to the frame if it is visible, and applies its
// change to the events after it. If the change ends the session, the frame is sent first.
func (s *session) consume(e *entry, f *frame) {
	s.scanned, f.last = e.position(), e
	if s.rights.sees(e) {
		if len(f.entries) == 0 {
			// A session that is behind sends more at once than a small frame of another one.
			f.end = s.hub.frames.end(s.cursor, s.hub.limits.FrameBytes/4)
		}
		f.add(e)
	}
	if e.change == nil || e.position() <= s.since.Load() {
		return
	}
	if e.change.ofEveryone() {
		s.recheckDue = true
		return
	}
	if e.change.user != s.user || e.change.kind == sessionClosed && e.change.session != s.id {
		return
	}
	if end := e.change.ends(s); end != nil {
		s.emit(f)
		s.closeLocked(end.code, end.reason)
		return
	}
	lost := s.rights.apply(e.change)
	if len(s.rights.memberships) == 0 {
		s.emit(f)
		s.closeLocked(closeForbidden, "no role left")
		return
	}
	s.rejoin()
	s.leave(lost)
}

// leave informs the client of the rooms that it lost, with the reasons.
func (s *session) leave(lost []lostRoom) {
	for _, room := range lost {
		s.answer(reply{Type: "unsubscribed", ID: room.subscription, Room: room.room.String(), Reason: room.reason})
	}
}

// rejoin updates the index to the rights.
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
		s.send(f, f.last.at(s.hub.codec))
	}
	f.entries, f.bytes = f.entries[:0], 0
}

// send sends a frame that starts where the last one ended.
func (s *session) send(f *frame, to string) {
	if len(f.entries) == 0 {
		s.write(f.encode(s.cursor, to).json, nil)
	} else {
		s.writeFrame(s.hub.frames.take(s.cursor, to, f))
	}
	s.cursor, s.sentTo, s.lastSent = to, s.scanned, time.Now()
}

// advance moves the cursor of a session that had nothing to read. Every session was woken for the
// events up to idle that concern it: the caller has read idle before, so that due is set for each
// of them.
func (s *session) advance(now time.Time, idle ledger.Cursor, text func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing || s.due.Load() != 0:
		return
	case s.behind:
		s.flushLocked() // Retry a page that failed.
		return
	}
	s.scanned = max(s.scanned, idle.Position)
	skipped := idle.Position - s.sentTo
	if skipped > 0 && s.late(now, skipped) && len(s.flying) == 0 {
		s.send(&frame{}, text())
		s.patience = randomPatience()
	}
}

// late reports whether the client should get an empty frame: after a while, or before its cursor
// leaves the ring.
func (s *session) late(now time.Time, skipped int64) bool {
	l := s.hub.limits
	return now.Sub(s.lastSent) >= time.Duration(s.patience*float64(l.AdvanceAfter)) || float64(skipped) >= s.patience/3*float64(l.RingEvents)
}

// randomPatience returns a wait for the next empty frame of 0.5 to 1.5 times Limits.AdvanceAfter:
// sessions that got the last event at the same moment do not all get their empty frame at the same
// moment.
func randomPatience() float64 { return 0.5 + rand.Float64() } //nolint:gosec // No secret.

// answer queues a reply, before events that are not in a frame yet.
func (s *session) answer(r reply) {
	if len(s.replies) >= maxReplies {
		s.closeLocked(closeRateExceeded, "too many unread answers")
		return
	}
	s.replies = append(s.replies, r.encode())
}

func (s *session) sendReplies() {
	for len(s.replies) > 0 && len(s.flying) < inFlight && !s.closing {
		s.write(s.replies[0], nil)
		s.replies[0] = nil
		s.replies = s.replies[1:]
	}
}

// writeFrame sends a frame of events. A small one is written here and now if nothing is before it and
// the network accepts it at once. A larger one has a goroutine's attention for longer, which is that of
// the socket.
func (s *session) writeFrame(shared *sharedFrame) {
	frame := shared.encode()
	if !s.closing && len(s.flying) == 0 && len(frame.wire) <= writeBuffer && !s.hub.frames.crowded() {
		if rest, ok := s.conn.try(frame.wire); ok {
			if len(rest) == 0 {
				s.hub.frames.land(shared)
			} else {
				s.flying = append(s.flying, shared)
				s.finish(rest)
			}
			return
		}
	}
	s.write(frame.json, shared)
}

// finish writes the rest of a frame on another goroutine, because the network does not accept it yet.
func (s *session) finish(rest []byte) {
	s.hub.open.Go(func() {
		if err := s.conn.finish(rest, s.hub.limits.WriteWait); err != nil {
			s.cut()
		}
		s.sent()
	})
}

// write passes a message to Melody: an events frame with its shared form, or another one with nil.
// sent returns the credit that it takes.
func (s *session) write(msg []byte, shared *sharedFrame) {
	if s.closing {
		s.hub.frames.land(shared)
		return
	}
	s.flying = append(s.flying, shared)
	if err := s.socket.Write(msg); err != nil {
		s.closing = true // Its reader has ended, or will.
	}
}

// sent returns the credit of a message that the network has accepted.
func (s *session) sent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.flying) > 0 { // The session may have been removed.
		s.hub.frames.land(s.flying[0])
		s.flying = slices.Delete(s.flying, 0, 1)
	}
	s.flushLocked()
}

// landAll ends all flights of a session that has ended.
func (s *session) landAll() {
	for _, shared := range s.flying {
		s.hub.frames.land(shared)
	}
	s.flying = nil
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
	_ = s.socket.CloseWithMsg(melody.FormatCloseMessage(code, reason)) // An error means that it is closed already.
}

// flooded cuts off a client that sends too many frames. The reader calls it and reads no more. The
// close message bypasses the waiting messages, and arrives only if the client reads it.
func (s *session) flooded(control bool) {
	code, reason := closeRateExceeded, "too many messages"
	if control {
		code, reason = closePolicy, "too many control frames"
	}
	s.mu.Lock()
	closing := s.closing
	s.closing = true
	s.mu.Unlock()
	if closing {
		return
	}
	s.hub.logger.Info("socket closed", "user_id", s.user, "code", code)
	// An error means that it is closed already, or that the client does not read.
	_ = s.socket.WebsocketConnection().WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(floodWait))
}

// cut ends the connection without a close message.
func (s *session) cut() {
	s.mu.Lock()
	socket := s.socket
	s.mu.Unlock()
	if socket != nil {
		_ = socket.WebsocketConnection().Close()
	}
}

// expireAt closes the session at the given time, which replaces an earlier one; zero means never.
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
	if s.expiresAt.Equal(t) { // Otherwise it was refreshed while this waited for the lock.
		s.closeLocked(closeExpired, "the token has expired")
	}
}
