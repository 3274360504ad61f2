// Package migrations holds the database's schema as numbered, forward-only SQL files, and the bootstrap that makes the
// roles they grant to.
package migrations

import "embed"

// Files are the numbered migrations, in goose's format.
//
//go:embed *.sql
var Files embed.FS

// Bootstrap makes the roles carewire_owner, carewire_app, carewire_worker and carewire_auditor, tolerating that they
// exist, and grants them to the user that runs it. It runs before the numbered migrations, as the connecting user.
//
//go:embed bootstrap/roles.sql
var Bootstrap string
