// Package versionset stores sets that are data, such as rules and templates: every published version
// as its author wrote it, an event that announces it, and from which position of the ledger on it is
// in force.
//
// Publishers of all kinds are serialized by one lock, so that versions and the events that announce
// them have the same order, and a set can be checked against the newest set of another kind. The
// planner records a publication when it passes its event, in the transaction that plans the events
// after it; the version in force at a position is then known for good.
package versionset
