// Package intake takes in what other systems say happened: a device gateway, a pharmacy, a laboratory.
//
// It promises that a system speaks as itself only (the source, the actor and the clinic are its service account's), that
// it says nothing but what the catalog declares as external, about people of its clinic, and that saying the same again
// changes nothing: an event is in the ledger once, however often it is sent. Of a list either all is accepted or nothing.
// A refusal for lack of a right is committed as access.denied before it is answered.
package intake
