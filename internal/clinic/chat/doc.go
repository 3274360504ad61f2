// Package chat manages conversations between a patient and their care team at a clinic.
//
// Participants: the patient, always, and the members of the care team who were added. A member who
// leaves the care team is removed by a trigger in the same transaction; SweepDepartures appends the
// event. RemoveParticipant documents who may remove whom.
//
// Visibility: participants from the beginning see every message. A participant who is added later
// sees later messages only, unless the history is shared with them, as far as the actor sees it.
// Events of a conversation contain no text; its room shows them to every participant.
//
// Ordering: a write is one transaction. It locks the conversation's row first, reads in later
// statements, and appends to the outbox last. So the numbers of messages rise by one in the
// conversation and along the ledger, where the number is the subject version of
// chat.message_created. Other events have no version. A reminder does not lock conversations: it
// locks the rows of the reminded participants and skips locked ones, so it never waits.
//
// Reading: a mark records how far a participant has read. It only moves forward. Two minutes after
// their first unread message they are reminded, with one chat.message_unread, and not again before
// they have read something. Withdrawn messages do not count. Reading raises the person's cut-off of
// the conversation, so that a reminder of these messages that waits is not sent; leaving raises it
// for all messages.
//
// Audit: each read of a conversation or its messages appends record.read and each denial
// access.denied, committed before the response is sent. A conversation that the caller may not see
// is reported, and audited, as not found. Texts and subjects are in responses only.
package chat
