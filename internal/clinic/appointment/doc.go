// Package appointment manages appointments, doctors' hours, absences and visit types.
//
// Slots: an appointment holds its time for the doctor and the patient while it is booked, confirmed
// or checked in. A request holds none. Claiming a slot locks the two people's rows first, in the
// order of their ids, and then looks for conflicts: of concurrent claims on one slot the first
// succeeds, the others return a conflict, and there are no deadlocks. Exclusion constraints enforce
// the same.
//
// Transitions: the table in state.go defines which transition is allowed from which status, by
// whom, and in which window of time. Days are days at the clinic. A transition that takes a time or
// a doctor checks again that both are available.
//
// Hours: a doctor's week at a clinic is stored in local time, so that 09:00 remains 09:00 when
// clocks change. clock.go defines the treatment of times that a day skips or repeats. Absences are
// exceptions: leave and closing days take from the week, openings add to it. Busy times are known
// across clinics, but only as times.
//
// A patient requests a time within the hours, which default to Monday to Friday from 09:00 to
// 17:00. Whatever Availability offers can be requested. If hours are set, the clinic needs an
// override, which is recorded in the event, to book outside of them or during an absence; otherwise
// it may book any time outside of absences. The same applies to the maximum duration
// (clinic_settings). Imports ignore both. A patient may have one open request for a time with a
// doctor, and at most 10 at a clinic. The lock on the patient's row enforces that. It is not a
// constraint, since older requests may violate it.
//
// Departures: a trigger records when a person loses the role of doctor or patient, or is disabled.
// That transaction appends appointment.needs_attention for up to 200 of the upcoming open
// appointments (package directory), and SweepAttention for the rest. Lists use the view
// appointment_attention, which is computed, so nothing has to be cleaned up when the person
// returns.
//
// Ordering: a transition is one transaction. It locks the appointment's row first, then the
// people's if it claims a slot, and appends to the outbox last. So the versions of an appointment
// rise by one along the ledger. Each version has an event: the ledger is the appointment's history.
//
// Audit: each read appends record.read and each denial access.denied, committed before the response
// is sent. An appointment that the caller may not see is reported, and audited, as not found. A
// list appends one record.read per patient and clinic.
//
// Requests, slots, hours and absences are one package because a booking checks all of them under
// the same row locks.
package appointment
