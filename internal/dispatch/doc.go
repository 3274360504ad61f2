// Package dispatch plans notifications: it decides who is notified of an event, and stores the
// result in rows. Planner is a follower of the ledger; Publish puts a rule set in force.
//
// For a batch of events the planner works in the follower's transaction. It matches each event
// against the rule set in force at its position. It loads everybody concerned in one query,
// uncached, because several instances take turns and none would learn of every change. It decides
// each person and channel. It writes notifications, deliveries and decisions, one statement a
// table. It inserts one River job for each queued delivery, and appends one notification.planned or
// notification.suppressed event for each notification. The number of round trips does not depend on
// the size of the batch.
//
// A transaction writes at most maxTxRows rows: the planner decides event by event, and stops before
// the event that would exceed it. An event that alone exceeds it is written in several
// transactions: each reads which rows exist, and writes the next ones.
//
// The planner, the sources of the scheduler (Due, Digests, Escalations), the dry run and the backtest
// are one package because all decide into the same unexported plan and load people, rule sets and
// events in the same way; those that write use one code for the rows, jobs and events.
//
// # Rule sets and channels
//
// A rule set is in force from the event after its rules.published on. Before the first, nothing is
// planned.
//
// Of several rules for one person on one channel, the one with the highest priority counts, then
// the first in the file; each other leaves a decision "duplicate_of:<rule>". A channel that cannot
// be used leaves a delivery in the final state suppressed with its reason, and the rule's fallback
// channels are tried in order; a channel on which the person already has a message ends the search.
// A preference never suppresses the priority critical.
//
// # Cut-offs
//
// A message about a version of a subject below the subject's cut-off is stored as cancelled, with the
// reason cut_off:<type of the event that raised it>, and has no job. The version is the one that the
// event is about (event.AboutVersion); a cut-off of a conversation holds for one person. The cut-offs
// of a batch are one query, which runs after the events were read: each cut-off that an event of the batch raised is
// seen. A cut-off can be raised after that query and before the planner's commit. The claim refuses
// the queued messages then, and the planner cancels those for later when it passes the event that
// raised the cut-off, or the scheduler, if it is one of a single person, when they are due.
//
// # Planning again
//
// A notification belongs to one event and recipient, which the database enforces. Planning the same
// events again, or in two instances at once, adds nothing: the first run's deliveries, jobs and
// events remain, even if the directory has changed since. Both insert in the order of the
// positions, so that they cannot deadlock.
//
// # What stops the planner
//
// A condition that cannot be evaluated on an event is a decision, not an error: condition_failed, or
// condition_ignored where the rule notifies all the same. It is counted in rule_failures, in a
// metric and in the log.
// A published version that is not stored is the event's fault: the follower dead-letters and skips
// the event. A stored set that this binary does not understand is not: planning with another set,
// or with none, would lose messages for good. Handle then logs "rule set not understood" and
// returns a ledger.BlockedError: the events before the first one that needs the set are planned,
// and the follower stays at that one and retries, until a binary that understands the set takes
// over or an operator fixes its source. Otherwise roll back: once a newer set that this binary
// understands is published, the events that need the broken one are recorded in follower_failures
// instead, to be redriven after the fix, and every event of the newer set is planned.
package dispatch
