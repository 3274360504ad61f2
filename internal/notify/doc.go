// Package notify works the deliveries that the planner created: it hands each message to the
// channel's Notifier and records the outcome.
//
// # Truth and engine
//
// The row in deliveries is the truth; the River job only drives it. A Worker claims the row
// (attempt + 1, attempt_started_at set), calls the provider under a timeout, and settles: the
// outcome and its event (notification.sent, notification.failed) commit in one statement, guarded
// by state and attempt. A job that finds its delivery settled does nothing, so a job may run any
// number of times. Sweep adopts deliveries that no live job carries, and closes those for which no
// receipt came: their state is then unknown.
//
// An outcome is a fact: settling is retried until it is written, as long as the process lives. It
// overwrites the states that others assume after a silence (predecessors), and only the run that
// claimed the attempt can write it, so that its event is appended once. A run that does not know
// whether its claim was committed claims again and gets the same attempt.
//
// # Channels
//
// The worker takes everything that differs between channels from the table Config.Known: the kind
// of address, the format of the message, and whether a repeat is harmless. The claim and the
// fallback pass the kind of address to SQL.
//
// # Providers
//
// A Provider is a client with its circuit breaker and its rate limiter. A job waits for both before
// its claim, so that a wait writes nothing; the more urgent pass the others. Throttling slows the
// limiter, is no failure for the breaker, and returns the attempt. Drain releases the waiting jobs
// of a process that is about to stop.
//
// # Possible duplicates
//
// A row whose attempt_started_at is still set from an earlier run was interrupted during the call:
// the provider may have the message. Messages on a repeat-safe channel (push has a collapse key)
// and critical messages are sent once more, marked as a possible duplicate; every other becomes
// uncertain and waits for a receipt until a deadline. A call that timed out after sending is
// treated in the same way. A call and its settlement need less than staleAfter; a younger
// attempt_started_at therefore belongs to another run, and this one steps back.
//
// # Cut-offs
//
// A claim refuses a message about a version of its subject below the subject's cut-off: the message
// is no longer true, or, for a conversation, the person has read or left it. The claim reads the cut-off in the statement that begins the attempt, so that no
// attempt begins after the commit of the write that raised it. The delivery ends as cancelled, with
// the reason cut_off:<type of the event that raised it>, without a call and without a fallback.
// Fallbacks and redrives are refused in the same way. An attempt that began before settles as usual;
// one that was interrupted is not repeated, and becomes uncertain.
//
// The claim does not look at roles: who may be told depends on the rule, and former patients may be.
// A role that ended is seen by the planner, and again for what is planned for later.
//
// # One package
//
// Claim, call, settlement, sweep and the lists over them share the states of a delivery and the
// rules for moving between them, so they stay in one package. The texts are in notify/template, each
// channel's client in a package below this one.
//
// # Ordering and goroutines
//
// The package starts no goroutines. Settlements of concurrent workers are committed in groups: the
// first worker commits for all that arrived during the previous commit, so that a single one never
// waits.
//
// # Privacy
//
// Messages name the kind of thing there is to read, and ask to sign in. Errors, job arguments and
// logs carry ids and codes. A Notifier returns Error, whose text consists of its class and code
// alone.
//
// Claims, settlements and the sweep are one package because they change the state of the same
// deliveries.
package notify
