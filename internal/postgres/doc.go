// Package postgres is everything about the database that is not about a table: opening pools under the service's
// roles, migrating, transactions and the translation of errors. The PostgreSQL that the service runs when it is given none is
// package embedded.
//
// # Roles
//
// Open SETs the role asked for on each connection, so that a request never runs with more rights than its role was granted.
// SQL can leave that role again and has then what the login may: requests and work should each run over a login that can
// become one role and has no rights of its own (LoginExcess names what another can do). DATABASE_URL may be one
// owner's URL for everything. A role is part of the session: the service needs PostgreSQL itself or a pooler in session
// mode.
package postgres
