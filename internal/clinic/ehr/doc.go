// Package ehr stores clinical records of all kinds: one generic service (Kind), and for each kind a
// struct that defines the body and a line that registers it.
//
// Ordering: a write is one transaction. A replacement locks the row of the record first, and the
// outbox is appended to last. Therefore the versions of a record increase by one along the ledger.
// A record and its event are written together or not at all.
//
// Audit: each read appends record.read and each denial access.denied, committed before the
// response: if that commit fails, the read fails. The response and the audit for a hidden record
// are the same as for a missing one. A list appends one record.read for each patient and clinic in
// it, with the ids of the records shown. An empty list of one patient's records is audited the same
// way. An empty list without a patient reveals nothing, and is not audited.
//
// An event contains the ids, the status code and the version of a record; the rest is only in the
// tables.
//
// The service and the kinds are one package because the service uses unexported methods of the
// bodies.
package ehr
