// Package ledger keeps the one sequence of everything that happened: it moves committed events from the outbox to their
// positions (Sequencer), and reads them from there, durably (Follower) or in memory (Tail).
//
// # Ordering
//
// Positions begin at 1 and have no gaps. They become visible in order: a reader that has seen position n has seen, or can
// read, every one before it, and nothing will ever appear there. So "position > last" loses nothing, which is not true
// of the outbox's ids, whose order is not the order of commits.
// Events of one subject have the order of their commits; between subjects the order is the sequencer's.
//
// What makes it so: a sequencer holds a transaction-level advisory lock while it moves a batch, and takes it in a
// statement before the move, at READ COMMITTED. The move's snapshot is therefore younger than the commit of every batch
// before it, and the lock is freed only after its own commit is visible.
//
// # Concurrency
//
// Any number of processes may run a Sequencer, a Follower of the same name, a Tail and a Listener on one database. One
// sequencer at a time moves a batch, whichever gets the lock; one follower of a name at a time handles a batch, whichever
// gets its row. None is special, and each takes over where another was killed. A Sequencer, Follower or Tail is used by
// one goroutine: either Run or Step. Failures, Redrive, Head, Read, Resume and Codec may be called from anywhere.
//
// # Lifecycle
//
// Every Run works until its context ends, then returns nil and leaves no goroutine behind. None ends by itself: when the
// database does not answer, it logs, backs off and tries again. A wake channel is level-triggered: it holds at most one
// wake, is shared by nobody, and losing one costs at most the poll interval of the part that waits for it.
//
// # What a bad row stops
//
// Nothing but itself. A row that the ledger refuses goes to outbox_rejected, an event that a follower's handler cannot
// handle to follower_failures; both are logged as errors and can be brought again. An event that cannot be read (Events) is a
// dead letter of every follower. Only what the row itself reproduces,
// alone, counts: connection, serialization, time-out and resource errors are retried for as long as they last, and so is
// a fault of the schema or the program, which would condemn every row alike. A batch that took too long or too much is
// halved, down to one event, and doubled again once that went; a PartialHandler does one event in several transactions. What
// does not advance in spite of that is Stalled, and positions that are missing stop a follower (HoleError).
package ledger
