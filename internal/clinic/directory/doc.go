// Package directory stores people and how they sign in, clinics, roles, care teams, devices,
// preferences, and the other systems that may act at a clinic.
//
// It returns committed data only: actors are read from the database for each request, so that a
// revoked role has no effect from the next request on. A caller that caches an actor has its
// version checked in each transaction (care.Actor.CachedVersion). Each change commits together with
// its event; the person's row is locked first and the outbox appended to last. A denial is
// committed as access.denied before the response. Sessions and socket tickets are stored as SHA-256
// digests only.
//
// Sessions, sign-ins and service accounts are part of this package because a change of a person
// ends their sessions in the same transaction.
package directory
