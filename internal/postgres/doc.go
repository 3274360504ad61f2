// Package postgres is everything about the database that is not about a table: opening pools under the service's
// roles, migrating, transactions, the translation of errors, and the PostgreSQL that the service runs by itself when it
// is given none.
//
// # Roles
//
// Open SETs the role asked for on each connection, so that a request never runs with more rights than its role was granted.
// SQL can leave that role again and has then what the login may: requests and work should each run over a login that can
// become one role and has no rights of its own (Role.Login; LoginExcess names what another can do). DATABASE_URL may be one
// owner's URL for everything. A role is part of the session: the service needs PostgreSQL itself or a pooler in session
// mode.
//
// # The embedded server
//
// StartEmbedded runs one PostgreSQL below a data directory and holds a lock on it until Stop. One goroutine per server
// starts the process and waits for it; Stop ends both. The server is in a process group of its own, so that a Ctrl-C on
// the terminal reaches the service only, which then stops its database. On Linux the server also shuts down when the
// service dies without stopping it; whatever a killed service leaves behind is cleaned up by the next start.
package postgres
