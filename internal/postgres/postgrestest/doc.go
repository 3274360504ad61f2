// Package postgrestest gives each test a database of its own on a real PostgreSQL.
//
// Main starts a cluster for a test binary, unless CAREWIRE_TEST_DATABASE_URL names a running one, whose user must be a
// superuser; `go run ./internal/postgres/postgrestest/withpostgres go test ./...` starts one for all of them. New clones
// a template that holds the migrated schema. The template's name is a hash of everything that makes the schema, so that
// a changed migration makes a new one; it is built once per cluster, under a lock, and several test binaries may ask for
// it at once.
package postgrestest
