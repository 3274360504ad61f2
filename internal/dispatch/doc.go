// Package dispatch decides whom an event is told to, and says so in rows. Planner is a follower of the ledger; Publish
// puts a rule set in force.
//
// For a batch of events the planner does, in the follower's one transaction: match each event against the rule set in
// force at its position; look up everybody concerned in one query, uncached, because several instances take turns and
// none would hear of every change; decide each person and channel; write notifications, deliveries and decisions, one
// statement a table; insert one River job for each queued delivery; append one notification.planned or
// notification.suppressed event for each notification. The number of round trips does not depend on the batch's size.
//
// A transaction writes at most maxTxRows rows: the planner decides event by event, and stops before the one that would make
// it more. One event that alone comes to more is written in several transactions: each reads what is there of it, and writes
// the next of the rest.
//
// # Who gets what
//
// A rule set is in force from the event after its rules.published on. Before the first, nothing is planned.
//
// Of the rules that want to tell one person on one channel, the one with the highest priority does, then the first in
// the file; each other leaves a decision "duplicate_of:<rule>". A channel that cannot be used leaves a delivery in the
// final state suppressed with its reason, and the rule's fallback channels are tried in order; one on which the person is
// already told ends the search. A preference never silences the priority critical.
//
// # Running again
//
// A notification belongs to one event and recipient, and the database holds that. Planning the same events again, or
// in two instances at once, adds nothing: what the first run decided stands, with its deliveries, jobs and events, even
// if the directory has changed since. Both insert in the order of the positions, so that they cannot deadlock.
//
// # What stops the planner
//
// A condition that cannot be evaluated on an event is a decision (condition_failed), not an error. A published version
// that is not stored is the event's fault: the follower records it and passes it over. A stored set that this binary
// does not understand is not: planning with another set, or with none, would lose messages for good. Handle then logs
// "rule set not understood" and answers with a ledger.BlockedError: what comes before the first event that the set is for is
// planned, and the follower keeps its place there and tries again, until a binary that understands the set takes over or
// an operator mends its source. Rolling back is the way out when neither can be had: once a newer set that this binary
// understands was published, the events that the broken one is for are recorded in follower_failures instead, to be
// redriven after the mend, and everything that the newer set is for is planned.
package dispatch
