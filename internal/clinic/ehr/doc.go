// Package ehr keeps clinical records of every kind: one generic service (Kind), and for each kind a struct that says what
// its body is and a line that registers it.
//
// Ordering: a write is one transaction. A replacement locks the record's row first; the outbox is appended to last; so the
// versions of one record rise by one along the ledger. Nothing is written unless its event is, and the other way round.
//
// Audit: each read appends record.read and each refusal access.denied, committed before the answer is given: when that
// commit fails, so does the read. A record that the caller may not see is answered, and audited, as one that is not there.
// A list is one record.read for each patient and clinic in it, which names the records shown; so is a list of one patient's
// records that holds none. A list that shows nothing and names nobody told nothing, and is not audited.
//
// What an event carries of a record are ids, its status code and its version; the rest stays in the tables.
package ehr
