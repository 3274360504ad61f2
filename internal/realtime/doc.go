// Package realtime shows people the ledger as it grows, over WebSockets. docs/socket.md is its contract with clients.
//
// # What it promises
//
// A session's frames tell of the ledger without holes: each events frame begins at the cursor where the one before it
// ended, and between the two every event that the session may see stands once, in the ledger's order, however many of its
// rooms the event matches. A client that comes back with its last cursor misses nothing. A right that is given or taken
// by an event at position P counts from P+1 on, however far behind the session is. An event that changes rights and does not say
// how leaves nobody a right that it may have taken.
//
// # How it works
//
// One ledger.Tail per process appends to a ring of the last events, whose JSON is made once for all sessions. A session
// holds no queue: it holds the position up to which it has looked (scanned) and reads on from there, in the ring, or in the
// windows when the ring no longer reaches back so far. A window is a stretch of the ledger, read from PostgreSQL once for all
// sessions that pass it; ring and windows are bounded in bytes. The room index tells which sessions an event may concern, so
// that the others are not visited.
//
// An event that ends sessions (session.closed, user.disabled) marks them as ended when the tail brings it: the close waits
// neither for a client that reads slowly nor for a session that is far behind.
//
// At most a few messages per session wait in Melody's buffer, which is larger: Melody drops what does not fit and says
// nothing. HandleSentMessage gives the credit back. Events that come meanwhile wait in the ring or in the database, so a
// client that does not read costs no memory and holds up nobody.
//
// # Goroutines
//
// Run owns the tail, the flushers (one per processor, they build frames), the pagers (they wait for PostgreSQL) and the
// clock (it moves idle cursors). Each session has the two goroutines that Melody gives it, one of which is the caller of
// Serve, and a timer for the end of its token.
//
// Locks are taken in the order session.mu, then ring.mu or index.mu. The tail's callback takes no session's lock, and
// nothing waits for the database or the network while it holds one. Melody calls HandleError from within Write, so that
// handler takes none either.
//
// A session is woken without a lock on it, by setting due to the first position that concerns it. Nothing is lost
// between waking and sleeping because of two orders: an event is in the ring before its rooms are visited, and a session
// stands in the index of a room before it looks at the ring for the last time.
package realtime
