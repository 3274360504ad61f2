// Package directory keeps who there is: people and how they sign in, clinics, who holds which role there, who cares for
// whom, devices and preferences, and which other systems may act at a clinic.
//
// It promises that what it answers is what is committed: actors are read from the database for each request and never
// cached, so that a role taken away counts from the next request on. Each change and its event commit together, the
// person's row locked first and the outbox appended to last. A refusal is committed as access.denied before it is
// answered. Of sessions and socket tickets it stores SHA-256 digests only.
package directory
