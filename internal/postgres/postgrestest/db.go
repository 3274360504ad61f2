package postgrestest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
	"carewire/internal/postgres/embedded"
)

// cleanupTimeout bounds the cleanup after a test, whose own context has ended by then.
const cleanupTimeout = 30 * time.Second

//go:embed helpers.sql
var helpersSQL string

// loginPassword is the password of the logins that tests create in a given cluster. An embedded
// cluster requires none.
const loginPassword = "carewire-test"

// DB is one test's database, with the schema and no rows.
type DB struct {
	// URL connects as the cluster's superuser; postgres.Open sets a role on it.
	URL string
	// AppURL and WorkerURL connect as logins that can become only carewire_app and
	// carewire_worker.
	AppURL, WorkerURL string
	// The pools run as the role of their name, App and Worker with those logins.
	Owner, App, Worker, Auditor *pgxpool.Pool
}

// New creates a database for one test and drops it when the test ends. It is safe in parallel
// tests.
func New(tb testing.TB) *DB {
	tb.Helper()
	template, err := admin.ensureTemplate(tb.Context(), clusterURL(tb))
	require.NoError(tb, err)
	// Copying the files takes a third of the CPU time that logging each block does, when they are
	// in memory.
	db := &DB{URL: create(tb, " TEMPLATE "+template+" STRATEGY file_copy")}
	db.AppURL, db.WorkerURL = LoginURL(tb, db.URL, postgres.App), LoginURL(tb, db.URL, postgres.Worker)
	db.Owner = db.Pool(tb, postgres.Owner, 4)
	db.App = db.Pool(tb, postgres.App, 8)
	db.Worker = db.Pool(tb, postgres.Worker, 8)
	db.Auditor = db.Pool(tb, postgres.Auditor, 2)
	return db
}

// Pool makes one more pool on the test's database and closes it when the test ends. It connects
// when it is used first.
func (db *DB) Pool(tb testing.TB, role postgres.Role, maxConns int32) *pgxpool.Pool {
	tb.Helper()
	url := db.URL
	switch role {
	case postgres.App:
		url = db.AppURL
	case postgres.Worker:
		url = db.WorkerURL
	case postgres.Owner, postgres.Auditor:
	}
	pool, err := postgres.NewPool(tb.Context(), postgres.Config{URL: url, Role: role, MaxConns: maxConns, AppName: tb.Name()})
	require.NoError(tb, err)
	tb.Cleanup(pool.Close)
	return pool
}

// NewEmpty creates a database without the schema and returns its URL. It is dropped when the test
// ends.
func NewEmpty(tb testing.TB) string {
	tb.Helper()
	return create(tb, "")
}

func clusterURL(tb testing.TB) string {
	tb.Helper()
	base := os.Getenv(EnvURL)
	require.NotEmpty(tb, base, "no cluster: the package needs func TestMain(m *testing.M) { postgrestest.Main(m) }")
	return base
}

// create creates a database with a random name, drops it after the test, and returns its URL.
func create(tb testing.TB, options string) string {
	tb.Helper()
	base := clusterURL(tb)
	name := "test_" + strings.ToLower(rand.Text()[:16])
	require.NoError(tb, admin.exec(tb.Context(), "CREATE DATABASE "+name+options))
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		require.NoError(tb, admin.exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"))
	})
	u, err := url.Parse(base)
	require.NoError(tb, err)
	u.Path = "/" + name
	return u.String()
}

// ensureTemplate returns the name of the migrated template, and builds it if this cluster has none
// yet.
func ensureTemplate(ctx context.Context, base string) (string, error) {
	sum, err := postgres.SchemaSum()
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("carewire_template_%s_%x", sum, sha256.Sum256([]byte(helpersSQL)))[:50]
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		return "", fmt.Errorf("connect to %s: %w", EnvURL, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if there, err := exists(ctx, conn, name); there || err != nil {
		return name, err
	}
	// The lock is released with the connection. Advisory locks are per database, and all test
	// binaries connect to the same one.
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtext('carewire test template'))"); err != nil {
		return "", fmt.Errorf("lock the template: %w", err)
	}
	if there, err := exists(ctx, conn, name); there || err != nil {
		return name, err
	}
	if err := buildTemplate(ctx, conn, base, name); err != nil {
		return "", err
	}
	return name, nil
}

// LoginURL returns the superuser's URL of a database with the role's own login (embedded.Login).
func LoginURL(tb testing.TB, base string, role postgres.Role) string {
	tb.Helper()
	u, err := url.Parse(base)
	require.NoError(tb, err)
	u.User = url.UserPassword(embedded.Login(role), loginPassword)
	return u.String()
}

// makeLogins creates the logins in a cluster that is not embedded and has none; they belong to the
// cluster.
func makeLogins(ctx context.Context, conn *pgx.Conn) error {
	for _, role := range []postgres.Role{postgres.App, postgres.Worker} {
		var there bool
		err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", embedded.Login(role)).Scan(&there)
		if err != nil {
			return fmt.Errorf("look for the tests' logins: %w", err)
		}
		if there {
			continue
		}
		_, err = conn.Exec(ctx, fmt.Sprintf("CREATE ROLE %[1]s LOGIN NOINHERIT PASSWORD '%[2]s'; GRANT %[3]s TO %[1]s", embedded.Login(role), loginPassword, role))
		if err != nil {
			return fmt.Errorf("make the tests' logins: %w", err)
		}
	}
	if _, err := conn.Exec(ctx, "GRANT pg_read_all_stats TO carewire_worker"); err != nil {
		return fmt.Errorf("let the tests' worker see transactions: %w", err)
	}
	return nil
}

// buildTemplate renames the template to its name after it is complete.
func buildTemplate(ctx context.Context, conn *pgx.Conn, base, name string) error {
	making := name + "_new"
	if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+making+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop a half-made template: %w", err)
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+making); err != nil {
		return fmt.Errorf("create the template: %w", err)
	}
	u, err := url.Parse(base)
	if err != nil {
		return fmt.Errorf("%s is not a URL: %w", EnvURL, errors.Unwrap(err))
	}
	u.Path = "/" + making
	if err := postgres.Migrate(ctx, u.String(), slog.New(slog.DiscardHandler)); err != nil {
		return fmt.Errorf("migrate the template: %w", err)
	}
	if err := makeLogins(ctx, conn); err != nil {
		return err
	}
	if err := exec(ctx, u.String(), helpersSQL); err != nil {
		return fmt.Errorf("make the tests' helpers: %w", err)
	}
	if _, err := conn.Exec(ctx, "ALTER DATABASE "+making+" RENAME TO "+name); err != nil {
		return fmt.Errorf("name the template: %w", err)
	}
	return nil
}

func exists(ctx context.Context, conn *pgx.Conn, name string) (there bool, err error) {
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&there)
	return there, err
}

func exec(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", EnvURL, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.Exec(ctx, sql)
	return err
}
