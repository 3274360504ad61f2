// Package ledger keeps the sequence of all events: it moves committed events from the outbox to
// their positions (Sequencer), and reads them, durably (Follower) or in memory (Tail).
//
// # Ordering
//
// Positions begin at 1 and have no gaps. They become visible in order: a reader that has seen
// position n has seen, or can read, every earlier one, and no event will ever appear before it.
// Reading "position > last" therefore misses nothing, which does not hold for the outbox's ids:
// their order is not the order of commits. Events of one subject have the order of their commits;
// between subjects, the order is the sequencer's.
//
// This holds because a sequencer has a transaction-level advisory lock while it moves a batch, and
// takes it in a statement before the move, at READ COMMITTED. The snapshot of the move is therefore
// newer than the commit of every earlier batch, and the lock is released only after the move's own
// commit is visible.
//
// # Concurrency
//
// Any number of processes may run a Sequencer, a Follower of the same name, a Tail and a Listener
// on one database. One sequencer at a time moves a batch: the one that gets the lock. One follower
// of a name at a time handles a batch: the one that gets its row. No instance is special, and each
// takes over when another is killed. One goroutine uses a Sequencer, Follower or Tail, through
// either Run or Step. ListFailures, Redrive, Head, Read, Resume and Codec may be called from any
// goroutine.
//
// # Lifecycle
//
// Every Run works until its context ends, then returns nil and leaves no goroutine behind. It
// returns for no other reason: when the database does not answer, it logs, backs off and retries. A
// wake channel is level-triggered: it holds at most one wake and has one receiver, and a lost wake
// costs at most the poll interval of the receiver.
//
// # Dead letters
//
// A bad row stops nothing but itself. A row that the ledger rejects goes to outbox_rejected, and an
// event that a follower's handler cannot handle goes to follower_failures. Both are logged as
// errors and can be redriven. An event that cannot be read (Events) is a dead letter of every
// follower. Only an error that the row alone reproduces counts: connection, serialization, time-out
// and resource errors are retried as long as they last, as are faults of the schema or the program,
// which would reject every row. A batch that took too long or too many resources is halved, down to
// one event, and doubled again after a success. A PartialHandler handles one event in several
// transactions. A follower that still does not advance is Stalled, and missing positions stop a
// follower (HoleError).
package ledger
