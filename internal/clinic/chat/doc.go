// Package chat keeps the conversations between a patient and those who care for them at a clinic.
//
// Who takes part: the patient, always, and the members of their care team who were put in. Who leaves the care team takes no
// longer part from the same commit on; a trigger sees to that, and TellLeft appends the event.
//
// What is seen: those who take part from the beginning see every message. Who is added later sees those that are written from
// then on, unless whoever adds them shows them the history, which is no more than that one sees. The events of a conversation
// carry no text and are shown in its room to everybody who takes part. Who takes out whom is Remove's to say.
//
// Ordering: whatever changes a conversation is one transaction. It locks the conversation's row first, looks at the rest in
// statements after that, and appends to the outbox last; so the numbers of its messages rise by one, in the conversation and
// along the ledger, where the number is the subject's version of chat.message_created. Other events carry none. A reminder
// takes no conversation's lock: it takes the rows of those whom it reminds, skips those that somebody else has, and waits for
// nobody.
//
// Reading: a mark says how far each has read, and only moves forward. Two minutes after the first message that somebody has
// not read they are reminded, with one chat.message_unread, and then not again until they have read something. What was
// withdrawn is not waited for.
//
// Audit: being shown a conversation or its messages appends record.read and each refusal access.denied, committed before the
// answer is given. A conversation that the caller may not see is answered, and audited, as one that is not there. Texts and
// subjects never leave but in the answer itself.
package chat
