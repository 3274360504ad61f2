// Package postgres contains the database code that is independent of tables: pools for the
// service's roles, migrations, transactions and the translation of errors. Package embedded runs
// the PostgreSQL that the service uses by default.
//
// # Roles
//
// Open SETs the requested role on each connection, so that a request never runs with more rights
// than its role was granted. SQL can leave that role and then has the rights of the login: requests
// and work should each use a login that can become one role and has no rights of its own
// (LoginExcess returns the excess of others). DATABASE_URL may be one owner's URL for everything. A
// role is part of the session: the service needs PostgreSQL itself or a pooler in session mode.
package postgres
