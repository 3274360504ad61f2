// Package appointment keeps who sees whom, where and when: one service, and the table of what may follow what.
//
// Slots: an appointment holds its time, the doctor's and the patient's, while it is booked, confirmed or checked in; a
// request holds none. Whoever takes a slot locks the two people's rows first, in the order of their ids, and then looks at
// what is taken: of many who want one slot the first gets it, the others are told, and none wait for each other in a
// circle. Exclusion constraints say the same once more.
//
// Steps: state.go holds the one table of what follows what, by whom, and in which window of time. Days are the clinic's. Every
// step that takes a time, or a doctor, looks again whether it can be had.
//
// Hours: a doctor's week at a clinic is kept as what the clocks there show, so that 09:00 stays 09:00 when they change; wall.go
// says what becomes of times that a day leaves out or shows twice. Absences change it at one time: leave and closing days take
// from it, openings add to it. What is busy is known across clinics, and told as times only.
//
// A patient asks for a time in the hours, which are Monday to Friday from 09:00 to 17:00 where nobody set them: what Availability
// offers can be asked for. The clinic books outside of hours that are set, and in an absence, only with an override, which the
// event says; where nobody set them it books as it likes. The same is true of how long an appointment may be
// (clinic_settings). Imports keep to neither. A patient has one request open with a doctor for a time, and at most 10 at a clinic;
// the lock on the patient's row makes that hold among many at once. It is no constraint: what was asked before the rule stays.
//
// Departures: a trigger notes who loses the role of doctor or patient, or is disabled. The transaction that does so tells of up
// to 200 of the open appointments to come (appointment.needs_attention, package directory), TellAttention of the others.
// Lists find them by the view appointment_attention, which is computed: who comes back leaves nothing to clean up.
//
// Ordering: a transition is one transaction. It locks the appointment's row first, then the people's where it takes a
// slot; the outbox is appended to last; so the versions of one appointment rise by one along the ledger. Each version has
// its event: the ledger is the appointment's history.
//
// Audit: each read appends record.read and each refusal access.denied, committed before the answer is given. An
// appointment that the caller may not see is answered, and audited, as one that is not there. A list is one record.read for
// each patient and clinic in it, as lists of records are.
package appointment
