// Package postgrestest creates a separate database for each test on a real PostgreSQL.
//
// Main starts a cluster for a test binary, unless CAREWIRE_TEST_DATABASE_URL is the URL of a
// running one, with a superuser. `go run ./internal/postgres/postgrestest/withpostgres go test
// ./...` starts one for all of them. New clones a template with the migrated schema. The template's
// name is a hash of everything that makes the schema, so that a changed migration creates a new
// one. It is built once per cluster, under a lock; several test binaries may request it at once.
package postgrestest
