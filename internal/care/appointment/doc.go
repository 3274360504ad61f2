// Package appointment keeps who sees whom, where and when: one service, and the table of what may follow what.
//
// Slots: an appointment holds its time, the doctor's and the patient's, while it is booked, confirmed or checked in; a
// request holds none. Whoever takes a slot locks the two people's rows first, in the order of their ids, and then looks at
// what is taken: of many who want one slot the first gets it, the others are told, and none wait for each other in a
// circle. Exclusion constraints say the same once more.
//
// Hours: a doctor's week at a clinic is kept as what the clocks there show, so that 09:00 stays 09:00 when they change; wall.go
// says what becomes of times that a day leaves out or shows twice. Hours say what is offered, in Availability and with the
// refusal of a taken slot; whoever arranges appointments may book outside of them. What is busy is known across clinics,
// and told as times only.
//
// Ordering: a transition is one transaction. It locks the appointment's row first, then the people's where it takes a
// slot; the outbox is appended to last; so the versions of one appointment rise by one along the ledger. Each version has
// its event: the ledger is the appointment's history.
//
// Audit: each read appends record.read and each refusal access.denied, committed before the answer is given. An
// appointment that the caller may not see is answered, and audited, as one that is not there. A list is one record.read for
// each patient and clinic in it, as lists of records are.
package appointment
