package postgres_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/logtest"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
	"carewire/migrations"
)

// refusing returns the URL of a server that answers each connection with the error, or not at all
// if the code is empty.
func refusing(t *testing.T, code, message string) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			backend := pgproto3.NewBackend(conn, conn)
			if _, err := backend.ReceiveStartupMessage(); err == nil && code != "" {
				backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: message})
				_ = backend.Flush()
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "postgres://carewire:s3cret@" + l.Addr().String() + "/carewire?sslmode=disable"
}

func TestAway_IsTrueOnlyIfWaitingMayHelp(t *testing.T) {
	t.Parallel()
	base := postgrestest.NewEmpty(t)
	socket, err := url.Parse(base)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		url  string
		away bool
		says string
	}{
		"starting up":          {refusing(t, "57P03", "the database system is starting up"), true, "SQLSTATE 57P03): the server is starting up"},
		"shutting down":        {refusing(t, "57P01", "terminating connection due to administrator command"), true, "SQLSTATE 57P01"},
		"too many connections": {refusing(t, "53300", "sorry, too many clients already"), true, "SQLSTATE 53300): all connections are in use"},
		"hangs up":             {refusing(t, "", ""), true, "EOF"},
		"nobody listens":       {"postgres://u:s3cret@127.0.0.1:1/db?sslmode=disable", true, "connection refused"},
		"no such name":         {"postgres://u:s3cret@db.invalid/db?sslmode=disable", true, "db.invalid"},
		"no socket yet":        {"postgres://u:s3cret@/db?host=/nowhere", true, "no such file"},
		"only one is away":     {"postgres://u:s3cret@127.0.0.1:1,127.0.0.1:2/db?sslmode=disable", true, "connection refused"},
		"a wrong password":     {refusing(t, "28P01", "password authentication failed"), false, "SQLSTATE 28P01): the server rejected"},
		"no entry for it":      {refusing(t, "28000", "no pg_hba.conf entry"), false, "SQLSTATE 28000): the server rejected"},
		"no such database":     {as(t, base, "carewire", "nowhere"), false, "SQLSTATE 3D000): the database does not exist"},
		"may not connect":      {refusing(t, "42501", `permission denied for database "carewire"`), false, `SQLSTATE 42501): the user lacks a privilege: GRANT CONNECT ON DATABASE "carewire" TO "carewire"`},
		"no TLS there":         {"postgres://carewire:s3cret@127.0.0.1:" + socket.Query().Get("port") + socket.Path + "?sslmode=require", false, "refused TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := postgres.Open(t.Context(), postgres.Config{URL: c.url})
			require.Error(t, err)
			require.Equal(t, c.away, postgres.Away(err), err)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "DATABASE_URL")
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "s3cret")
			require.NotContains(t, postgres.Explain(fmt.Errorf("start: %w", err)).Error(), "s3cret")
		})
	}
}

func TestAway_UnwrapsTheError(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		err  error
		away bool
	}{
		"none":                  {nil, false},
		"translated":            {fmt.Errorf("read: %w", postgres.Translate(&pgconn.PgError{Code: "57P01"})), true},
		"a lost connection":     {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), true},
		"a lock that was taken": {&pgconn.PgError{Code: "55P03"}, true},
		"read-only":             {&pgconn.PgError{Code: "25006"}, false},
		"a missing right":       {&pgconn.PgError{Code: "42501"}, false},
		"a missing table":       {&pgconn.PgError{Code: "42P01"}, false},
		"a refusal":             {care.Errorf(care.Conflict, "no"), false},
		"Ctrl-C":                {fmt.Errorf("read: %w", ended.Err()), false},
	} {
		require.Equal(t, c.away, postgres.Away(c.err), name)
	}
}

// oneLine checks a message of a start or a command.
func oneLine(t *testing.T, err error, says ...string) {
	t.Helper()
	require.Error(t, err)
	for _, s := range says {
		require.ErrorContains(t, err, s)
	}
	require.NotContains(t, err.Error(), "\n")
	require.False(t, postgres.Away(err), "waiting does not change it: %s", err)
}

func TestMigrate_RefusesAReadOnlyServer(t *testing.T) {
	t.Parallel()
	base := postgrestest.NewEmpty(t)
	oneLine(t, postgres.Migrate(t.Context(), base+"&default_transaction_read_only=on", silent), "SQLSTATE 25006", "point DATABASE_URL at the primary", "default_transaction_read_only")
}

func TestMigrate_RefusesADatabaseOfAnotherProgramAndChangesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, says string }{
		"its tables":     {`CREATE TABLE orders (id int); CREATE TABLE shops (id int)`, "2, such as public.orders"},
		"its migrations": {`CREATE TABLE goose_db_version (id int, version_id bigint, is_applied boolean)`, "goose_db_version"},
		"its job queue":  {`CREATE SCHEMA river; CREATE TABLE river.river_job (id int)`, "river.river_job"},
		"its view":       {`CREATE VIEW today AS SELECT now()`, "public.today"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := postgrestest.NewEmpty(t)
			conn := connect(t, base)
			_, err := conn.Exec(t.Context(), c.sql)
			require.NoError(t, err)
			const relations = `SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'river')`
			var before, after int
			require.NoError(t, conn.QueryRow(t.Context(), relations).Scan(&before))
			oneLine(t, postgres.Migrate(t.Context(), base, silent), c.says, "SQLSTATE 55000", "point DATABASE_URL at an empty database")
			require.NoError(t, conn.QueryRow(t.Context(), relations).Scan(&after))
			require.Equal(t, before, after)
		})
	}
}

func TestMigrate_AcceptsADatabaseWithExtensionsAndTablesInOtherSchemas(t *testing.T) {
	t.Parallel()
	base := postgrestest.NewEmpty(t)
	_, err := connect(t, base).Exec(t.Context(), `CREATE SCHEMA reports; CREATE TABLE reports.monthly (id int)`)
	require.NoError(t, err)
	require.NoError(t, postgres.Migrate(t.Context(), base, silent))
	_, err = connect(t, base).Exec(t.Context(), `CREATE TABLE beside_ours (id int)`)
	require.NoError(t, err)
	require.NoError(t, postgres.Migrate(t.Context(), base, silent), "what somebody adds later is theirs")
}

func TestMigrate_RefusesVersionsThatItCannotKnow(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	_, err := db.Owner.Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (20240131093000, true)`)
	require.NoError(t, err)
	oneLine(t, postgres.Migrate(t.Context(), db.URL, silent), "SQLSTATE 55000", "20240131093000")
}

func TestMigrate_LeavesADatabaseOfTheNextReleaseUnchanged(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	_, err := db.Owner.Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) SELECT max(version_id) + 1, true FROM goose_db_version`)
	require.NoError(t, err)
	require.NoError(t, postgres.Migrate(t.Context(), db.URL, silent), "a rollback by one release starts")
	pending, err := postgres.Pending(t.Context(), db.Worker)
	require.NoError(t, err)
	require.False(t, pending)
}

func TestCheckVersions_DistinguishesANewerReleaseFromAnotherProgram(t *testing.T) {
	t.Parallel()
	known := []int64{1, 2, 4, 5} // 3 never existed.
	for name, c := range map[string]struct {
		applied, newer []int64
		says           string
	}{
		"empty":                {nil, nil, ""},
		"the same":             {[]int64{1, 2, 4, 5}, nil, ""},
		"older":                {[]int64{1, 2}, nil, ""},
		"newer":                {[]int64{1, 2, 4, 5, 6, 7}, []int64{6, 7}, ""},
		"newer with a hole":    {[]int64{1, 2, 4, 5, 7}, nil, "has migration 7"},
		"a number in the past": {[]int64{1, 2, 3, 4, 5}, nil, "has migration 3"},
		"one left out":         {[]int64{1, 2, 5}, nil, "migration 4 has not run"},
		"newer, one left out":  {[]int64{1, 2, 5, 6}, nil, "migration 4 has not run"},
	} {
		newer, err := postgres.CheckVersions(c.applied, known)
		if c.says != "" {
			require.ErrorContains(t, err, c.says, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, c.newer, newer, name)
	}
}

// withFiles are our migrations and more.
func withFiles(t *testing.T, more map[string]string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	entries, err := migrations.Files.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		text, err := migrations.Files.ReadFile(e.Name())
		require.NoError(t, err)
		files[e.Name()] = &fstest.MapFile{Data: text}
	}
	for name, text := range more {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func TestPending_AgreesWithMigrateOnAMissingNumber(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	files := withFiles(t, map[string]string{"00019_late.sql": "-- +goose Up\nCREATE TABLE late (id int);\n"})
	pending, err := postgres.PendingFiles(t.Context(), db.Worker, files)
	require.NoError(t, err)
	require.True(t, pending, "the service is not ready")
	oneLine(t, postgres.MigrateFiles(t.Context(), db.URL, files, silent), "SQLSTATE 55000", "migration 19 has not run")
}

// A migration outside a transaction, as an index on a live table requires it: several instances
// start together while another transaction delays the index.
func TestMigrate_BuildsAnIndexConcurrentlyDuringStartsAndATransaction(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	files := withFiles(t, map[string]string{"00099_index.sql": `-- An index on a live table.
-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '50ms';
DROP INDEX CONCURRENTLY IF EXISTS users_family_name_idx;
CREATE INDEX CONCURRENTLY users_family_name_idx ON users (family_name);
`})
	inTheWay, err := db.Owner.Begin(t.Context())
	require.NoError(t, err)
	_, err = inTheWay.Exec(t.Context(), `LOCK TABLE users IN ROW EXCLUSIVE MODE`)
	require.NoError(t, err)

	errs := make(chan error, 3)
	var log logs
	for range cap(errs) {
		go func() { errs <- postgres.MigrateFiles(t.Context(), db.URL, files, log.logger()) }()
	}
	require.Eventually(t, func() bool {
		return strings.Contains(log.String(), "a migration is waiting for another transaction's lock")
	}, 30*time.Second, 5*time.Millisecond)
	require.NoError(t, inTheWay.Rollback(t.Context()))
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	var valid bool
	require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_family_name_idx'::regclass`).Scan(&valid))
	require.True(t, valid)
	pending, err := postgres.PendingFiles(t.Context(), db.Worker, files)
	require.NoError(t, err)
	require.False(t, pending)
}

func TestExplain_ReturnsOneLineWithARemedy(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	_, missing := db.Owner.Exec(t.Context(), `SELECT * FROM nowhere`)
	oneLine(t, postgres.Explain(fmt.Errorf("list: %w", missing)), "list: ERROR", "SQLSTATE 42P01): the schema does not match this binary: run `carewire migrate`")
	_, denied := db.Auditor.Exec(t.Context(), `SELECT * FROM users`)
	oneLine(t, postgres.Explain(denied), "SQLSTATE 42501): the user of DATABASE_URL lacks a privilege")
	refused := care.Errorf(care.NotFound, "there is none")
	require.Equal(t, refused, postgres.Explain(refused))
	require.NoError(t, postgres.Explain(nil))
	oneLine(t, postgres.Explain(fmt.Errorf("a: %w", fmt.Errorf("b:\n\tc\n\td"))), "a: b: c; d")
}

// logs collects log lines.
type logs struct{ logtest.Buffer }

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
