// Package realtime sends people the ledger as it grows, over WebSockets. docs/socket.md is the
// contract with clients.
//
// # Guarantees
//
// A session's frames cover the ledger without holes: each events frame begins at the cursor where
// the previous one ended, and has every event in between that the session may see exactly once, in
// the ledger's order, even if the event matches several of its rooms. A client that resumes with
// its last cursor misses nothing. A right that an event at position P grants or revokes changes
// from P+1, even if the session is far behind. After an event with an unreadable change of rights,
// no session keeps a right that it may have revoked.
//
// # Design
//
// One ledger.Tail per process appends to a ring of the latest events, which are marshalled to JSON
// once for all sessions. A session has no queue: it has the position up to which it has read
// (scanned) and continues from there, in the ring, or in the windows if the ring no longer inRing
// back that far. A window is a stretch of the ledger, read from PostgreSQL once for all sessions
// that pass it. Ring and windows are bounded in bytes. The room index has the sessions that an
// event may concern, so that the others are not visited.
//
// An event that ends sessions (session.closed, user.disabled) marks them as ended when it arrives
// from the tail: the close waits neither for a client that reads slowly nor for a session that is
// far behind.
//
// At most a few messages per session wait in Melody's buffer, which is larger: Melody silently
// drops messages that do not fit. HandleSentMessage returns the credit. Later events wait in the
// ring or in the database, so that a client that does not read takes no memory and delays no other.
// A small frame with nothing before it, which most are under a steady load, is written by the
// goroutine that builds it, without Melody, if the network accepts it at once: see conn.
// What is in flight is also bounded for all sessions together: above Limits.FlightBytes each has one
// small frame in flight.
//
// The ring, the windows and the rooms are not packages of their own: they share the entry, whose
// change of rights ends sessions, and the lock order below spans all of them.
//
// # Goroutines
//
// Run owns the tail, the flushers (one per processor; they build frames), the pagers (they wait for
// PostgreSQL) and the idle ticker (it advances idle cursors). Each session has the two goroutines
// of Melody, one of which Serve starts, a timer for the expiry of its token, and, while the network
// has accepted only a part of a small frame, one that writes its rest.
//
// Locks are taken in the order session.mu, then ring.mu or index.mu. The tail's callback takes no
// session's lock, and no goroutine waits for the database or the network while it has a lock.
// Melody calls HandleError from within Write, so that this handler takes none either.
//
// A session is woken without its lock, by setting due to the first position that concerns it. Two
// orders ensure that no wake is lost: an event is in the ring before its rooms are visited, and a
// session is in the index of a room before it reads the ring for the last time.
//
// Sessions, rooms and the ring are one package because they share locks, in the order above.
package realtime
