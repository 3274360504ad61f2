// Package notify carries out what the planner decided: it works one delivery after the other, hands the message to the
// channel's Notifier and writes down what became of it.
//
// # Truth and engine
//
// The row in deliveries is the truth; the River job only drives it. A Worker claims the row (attempt + 1,
// attempt_started_at set), calls the provider under a timeout, and settles: the outcome and the event that tells of it
// (notification.sent, notification.failed) commit in one statement, guarded by state and attempt. A job that finds its
// delivery settled does nothing, so jobs may run any number of times. Sweep brings back deliveries that no live job
// carries, and closes those that waited for a receipt in vain: their state is then unknown.
//
// An outcome is a fact: settling is repeated until it is written, as long as the process lives. It is written over what
// others made of the silence (predecessors), by the run that claimed the attempt and by no other, so that its event is told
// once. A run whose claim was not confirmed claims again and gets the same attempt.
//
// # Providers
//
// A Provider is a client with its circuit breaker and its rate limiter. A job waits for both before its claim, so that a
// wait writes nothing; the more urgent pass the others. Throttling slows the limiter and is no failure for the breaker; the
// attempt is given back. Drain releases those that wait, for a process that is about to stop.
//
// # What may have been sent
//
// A row whose attempt_started_at still stands from an earlier run was interrupted in mid-call: the provider may have the
// message. Push (it has a collapse key) and critical messages are sent once more, marked as a possible duplicate;
// everything else becomes uncertain and waits for a receipt until a deadline. A call that timed out after sending is
// treated alike. A call under way and its settlement need less than staleAfter; an attempt_started_at younger than that
// therefore belongs to another run, and this one steps back.
//
// # Ordering and goroutines
//
// The package starts no goroutines. Settlements of concurrent workers are committed in groups: the first to come
// commits for all that came while the commit before was under way, so that one alone never waits.
//
// # Privacy
//
// Messages name the kind of thing there is to read, and ask to sign in. Errors, job arguments and logs carry ids and
// codes. A Notifier returns Error, whose text is made of its class and code alone.
package notify
