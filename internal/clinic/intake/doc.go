// Package intake accepts events from other systems: a device gateway, a pharmacy, a laboratory.
//
// A system speaks for itself only: the source, the actor and the clinic are its service account's.
// It may append only types that the catalog declares as external, about people of its clinic.
// Appending is idempotent: an event is in the ledger once, however often it is sent. A list is
// accepted as a whole or not at all. A denial is committed as access.denied before the response is
// sent.
package intake
