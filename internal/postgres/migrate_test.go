package postgres_test

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
	"carewire/migrations"
)

var silent = slog.New(slog.DiscardHandler)

func open(t *testing.T, url string, role postgres.Role) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: url, Role: role, MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func TestMigrate_BringsAnEmptyDatabaseUpToDateAndThenDoesNothing(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewEmpty(t)
	plain := open(t, url, "")
	pending, err := postgres.Pending(t.Context(), plain)
	require.NoError(t, err)
	require.True(t, pending)

	require.NoError(t, postgres.Migrate(t.Context(), url, silent))
	require.NoError(t, postgres.Migrate(t.Context(), url, silent))
	for _, role := range []postgres.Role{"", postgres.Owner, postgres.App, postgres.Worker} {
		pending, err = postgres.Pending(t.Context(), open(t, url, role))
		require.NoError(t, err, role)
		require.False(t, pending, role)
	}
	var strangers int
	require.NoError(t, plain.QueryRow(t.Context(), `
		SELECT count(*)
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname IN ('public', 'river') AND pg_get_userbyid(c.relowner) <> 'carewire_owner'`).Scan(&strangers))
	require.Zero(t, strangers, "everything belongs to carewire_owner")
}

func TestPending_SeesAMissingMigrationOfEitherKind(t *testing.T) {
	t.Parallel()
	for _, forget := range []string{
		"DELETE FROM river.river_migration WHERE version = (SELECT max(version) FROM river.river_migration)",
		"DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)",
	} {
		db := postgrestest.New(t)
		pending, err := postgres.Pending(t.Context(), db.Worker)
		require.NoError(t, err)
		require.False(t, pending)
		_, err = db.Owner.Exec(t.Context(), forget)
		require.NoError(t, err)
		pending, err = postgres.Pending(t.Context(), db.Worker)
		require.NoError(t, err)
		require.True(t, pending, forget)
	}
}

func TestMigrate_LetsSeveralInstancesStartAtOnce(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewEmpty(t)
	errs := make(chan error, 4)
	var all sync.WaitGroup
	for range cap(errs) {
		all.Go(func() { errs <- postgres.Migrate(t.Context(), url, silent) })
	}
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

func TestMigrate_WorksInSeveralDatabasesOfOneClusterAtOnce(t *testing.T) {
	t.Parallel()
	server := startCluster(t)
	admin := connect(t, server.URL())
	forgetRoles(t, admin)
	errs := make(chan error, 3)
	var all sync.WaitGroup
	for _, name := range []string{"one", "two", "three"} {
		_, err := admin.Exec(t.Context(), "CREATE DATABASE "+name)
		require.NoError(t, err)
		all.Go(func() { errs <- postgres.Migrate(t.Context(), as(t, server.URL(), "carewire", name), silent) })
	}
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

// A managed PostgreSQL has no superuser for customers: its best user may create roles and
// databases.
func TestMigrate_WorksForAnOwnerWithoutSuperuser(t *testing.T) {
	t.Parallel()
	server := startCluster(t)
	admin := connect(t, server.URL())
	forgetRoles(t, admin)
	_, err := admin.Exec(t.Context(), "CREATE ROLE managed LOGIN NOSUPERUSER CREATEROLE CREATEDB")
	require.NoError(t, err)
	_, err = connect(t, as(t, server.URL(), "managed", "postgres")).Exec(t.Context(), "CREATE DATABASE clinic")
	require.NoError(t, err)

	managed := as(t, server.URL(), "managed", "clinic")
	require.NoError(t, postgres.Migrate(t.Context(), managed, silent))
	require.NoError(t, postgres.Migrate(t.Context(), managed, silent))
	for _, role := range []postgres.Role{postgres.Owner, postgres.App, postgres.Worker, postgres.Auditor} {
		var current string
		require.NoError(t, open(t, managed, role).QueryRow(t.Context(), "SELECT current_user").Scan(&current))
		require.Equal(t, string(role), current)
	}
	// The service may run as a user with fewer rights when the roles exist.
	_, err = admin.Exec(t.Context(), "CREATE ROLE service LOGIN NOSUPERUSER; GRANT carewire_owner, carewire_app, carewire_worker, carewire_auditor TO service")
	require.NoError(t, err)
	require.NoError(t, postgres.Migrate(t.Context(), as(t, server.URL(), "service", "clinic"), silent))
}

func TestMigrate_NamesTheMissingPrivilegesOfTheUser(t *testing.T) {
	t.Parallel()
	server := startCluster(t)
	admin := connect(t, server.URL())
	forgetRoles(t, admin)
	_, err := admin.Exec(t.Context(), "CREATE ROLE nobody_much LOGIN")
	require.NoError(t, err)
	err = postgres.Migrate(t.Context(), as(t, server.URL(), "nobody_much", "carewire"), silent)
	require.ErrorContains(t, err, "needs CREATEROLE")
}

// forgetRoles removes this service's roles from an embedded cluster.
func forgetRoles(t *testing.T, admin *pgx.Conn) {
	t.Helper()
	_, err := admin.Exec(t.Context(), "DROP ROLE carewire_owner, carewire_app, carewire_worker, carewire_auditor")
	require.NoError(t, err)
}

// as changes the user and the database of a URL.
func as(t *testing.T, base, user, database string) string {
	t.Helper()
	u, err := url.Parse(base)
	require.NoError(t, err)
	u.User, u.Path = url.User(user), "/"+database
	return u.String()
}

func TestRoles_HaveOnlyTheRequiredPrivileges(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	const event = `INSERT INTO events (position, epoch, event_id, type, source, subject, time, data, actor_id, actor_role, imported, recorded_at, leaf_hash)
		VALUES (1, 1, gen_random_uuid(), 'user.created', 'test', 'user/1', now(), '{}', 'system', 'service', false, now(), sha256(''))`
	_, err := db.Worker.Exec(t.Context(), event)
	require.NoError(t, err, "the worker appends to the ledger")
	pools := map[string]*pgxpool.Pool{"owner": db.Owner, "app": db.App, "worker": db.Worker, "auditor": db.Auditor}
	for _, refused := range []struct{ who, sql string }{
		{"app", "UPDATE events SET type = 'user.updated'"},
		{"app", "DELETE FROM events"},
		{"app", "TRUNCATE events"},
		{"app", event},
		{"worker", "UPDATE events SET type = 'user.updated'"},
		{"worker", "DELETE FROM events"},
		{"worker", "TRUNCATE events"},
		{"worker", "UPDATE events_from_1 SET type = 'user.updated'"},
		{"worker", "DELETE FROM events_from_1"},
		{"worker", "TRUNCATE events_from_1"},
		{"worker", "ALTER TABLE events DISABLE TRIGGER ALL"},
		{"worker", "SET session_replication_role = replica"},
		{"owner", "UPDATE events SET type = 'user.updated'"},
		{"owner", "DELETE FROM events"},
		{"owner", "TRUNCATE events"},
		{"owner", "UPDATE events_from_1 SET type = 'user.updated'"},
		{"owner", "DELETE FROM events_from_1"},
		{"owner", "TRUNCATE events_from_1"},
		{"auditor", "DELETE FROM events"},
		{"auditor", "SELECT * FROM users"},
		{"app", "DELETE FROM users"},
		{"app", "DELETE FROM records"},
		{"app", "UPDATE record_versions SET version = 9"},
		{"app", "SELECT * FROM outbox"},
		{"app", "DELETE FROM outbox"},
		{"app", "SELECT * FROM river.river_job"},
		{"app", "CREATE TABLE mine (n int)"},
		{"worker", "CREATE TABLE mine (n int)"},
		{"worker", "SELECT * FROM records"},
		{"worker", "UPDATE users SET email = 'x@y.example'"},
		{"app", "SELECT events_partitions_ahead(1)"},
	} {
		_, err := pools[refused.who].Exec(t.Context(), refused.sql)
		require.ErrorContains(t, err, "SQLSTATE 42501", "%s: %s", refused.who, refused.sql)
	}
	var count int
	require.NoError(t, db.App.QueryRow(t.Context(), "SELECT count(*) FROM events WHERE type = 'user.created'").Scan(&count))
	require.Equal(t, 1, count)
	_, err = db.Worker.Exec(t.Context(), "SELECT events_partitions_ahead(1)")
	require.NoError(t, err)
	_, err = db.Worker.Exec(t.Context(), "SELECT * FROM river.river_job")
	require.NoError(t, err, "the worker works the queue")
}

func TestRoles_CannotUseTheRightsOfTheConnectingUser(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	conn, err := postgres.ConnectListener(t.Context(), postgres.Config{URL: db.URL, Role: postgres.App})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	_, err = conn.Exec(t.Context(), "LISTEN carewire_ledger")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "DELETE FROM events")
	require.ErrorContains(t, err, "permission denied")
}

// again runs the migration with that name again.
func again(t *testing.T, pool *pgxpool.Pool, name string) {
	t.Helper()
	files, err := fs.Glob(migrations.Files, "*_"+name+".sql")
	require.NoError(t, err)
	require.Len(t, files, 1)
	text, err := migrations.Files.ReadFile(files[0])
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), string(text))
	require.NoError(t, err)
}

func TestMigrations_AcceptRowsThatViolateTheirConstraints(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	exec := func(pool *pgxpool.Pool, sql string) error {
		_, err := pool.Exec(t.Context(), sql)
		return err
	}
	require.NoError(t, exec(db.Owner, `ALTER TABLE outbox DROP CONSTRAINT outbox_valid, DROP COLUMN appended_at;
		ALTER TABLE events DROP CONSTRAINT events_time_readable`))
	waiting := `INSERT INTO outbox (event_id, type, source, subject, time, data, actor_id, actor_role)
		VALUES (gen_random_uuid(), 'user.created', 'test', 'user/1', 'infinity', '{}', 'system', 'service')`
	moved := `INSERT INTO events (position, epoch, event_id, type, source, subject, time, data, actor_id, actor_role, imported, recorded_at, leaf_hash)
		VALUES (%d, 1, gen_random_uuid(), 'user.created', 'test', 'user/1', '%s', '{}', 'system', 'service', false, now(), sha256(''))`
	require.NoError(t, exec(db.App, waiting))
	require.NoError(t, exec(db.Worker, fmt.Sprintf(moved, 1, "infinity")))

	again(t, db.Owner, "readable_events")
	again(t, db.Owner, "outbox_age")
	var ages int
	require.NoError(t, db.Worker.QueryRow(t.Context(), "SELECT count(*) FROM outbox WHERE appended_at <= now()").Scan(&ages))
	require.Equal(t, 1, ages, "what waits keeps its place and has an age")
	require.ErrorContains(t, exec(db.App, waiting), "outbox_time_readable")
	require.ErrorContains(t, exec(db.Worker, fmt.Sprintf(moved, 2, "20000-01-01")), "events_time_readable")
	require.NoError(t, exec(db.Owner, "UPDATE ledger_partitioning SET partition_size = 10"))
	require.NoError(t, exec(db.Worker, "SELECT events_partitions_ahead(40000005)"), "partitions are made as before")
	require.ErrorContains(t, exec(db.Worker, fmt.Sprintf(moved, 40000005, "infinity")), "events_time_readable", "new ones have the constraint too")
	require.NoError(t, exec(db.Worker, fmt.Sprintf(moved, 40000005, "2026-01-01")))
}
