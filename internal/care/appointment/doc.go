// Package appointment keeps who sees whom, where and when: one service, and the table of what may follow what.
//
// Slots: an appointment holds its time, the doctor's and the patient's, while it is booked, confirmed or checked in; a
// request holds none. Whoever takes a slot locks the two people's rows first, in the order of their ids, and then looks at
// what is taken: of many who want one slot the first gets it, the others are told, and none wait for each other in a
// circle. Exclusion constraints say the same once more.
//
// Ordering: a transition is one transaction. It locks the appointment's row first, then the people's where it takes a
// slot; the outbox is appended to last; so the versions of one appointment rise by one along the ledger. Each version has
// its event: the ledger is the appointment's history.
//
// Audit: each read appends record.read and each refusal access.denied, committed before the answer is given. An
// appointment that the caller may not see is answered, and audited, as one that is not there. A list is one record.read for
// each patient and clinic in it, as lists of records are.
package appointment
