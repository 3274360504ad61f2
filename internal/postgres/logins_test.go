package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
	"carewire/internal/postgres/embedded"
	"carewire/internal/postgres/postgrestest"
)

// escapes are the ways in which injected SQL would leave the session's role.
var escapes = []string{
	"SELECT set_config('role', 'none', false)",
	"RESET ROLE",
	"SET ROLE NONE",
	"RESET ALL",
	"DISCARD ALL",
	"SET SESSION AUTHORIZATION DEFAULT",
	"SET SESSION AUTHORIZATION carewire_owner",
	"SELECT set_config('session_authorization', 'carewire', false)",
	"SET ROLE carewire",
	"SET ROLE carewire_owner",
	"SET ROLE carewire_auditor",
	"SET ROLE pg_read_all_data",
	"SET ROLE carewire_app",
	"SET ROLE carewire_worker",
	"GRANT carewire_owner TO CURRENT_USER",
	"GRANT carewire_owner TO SESSION_USER",
	"ALTER ROLE SESSION_USER SUPERUSER",
	"ALTER TABLE records DISABLE ROW LEVEL SECURITY",
	"SET row_security = off",
	"CREATE EXTENSION dblink",
	"COPY users TO PROGRAM 'cat'",
	"SELECT lo_import('/etc/passwd')",
	"SELECT pg_read_file('/etc/passwd')",
}

// escapee is a session of one of the service's logins with injected SQL.
type escapee struct {
	t    *testing.T
	conn *pgx.Conn
}

func openEscapee(t *testing.T, db *postgrestest.DB, role postgres.Role) escapee {
	t.Helper()
	url := map[postgres.Role]string{postgres.App: db.AppURL, postgres.Worker: db.WorkerURL}[role]
	conn, err := postgres.ConnectListener(t.Context(), postgres.Config{URL: url, Role: role})
	require.NoError(t, err)
	return escapee{t, conn}
}

// ask reads one value. It prepares nothing: the session may have dropped its statements.
func (e escapee) ask(sql string, into any) error {
	return e.conn.QueryRow(e.t.Context(), sql, pgx.QueryExecModeSimpleProtocol).Scan(into)
}

// rights counts the tables and views outside the system's schemas on which the session has any
// right.
func (e escapee) rights() (n int) {
	e.t.Helper()
	require.NoError(e.t, e.ask(`
		SELECT count(*)
		FROM pg_class AS c
		JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname IN ('public', 'river', 'audit')
			AND c.relkind IN ('r', 'p', 'v', 'm')
			AND (has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE'))`, &n))
	return n
}

func TestLogins_ASessionThatLeavesItsRoleHasNoRightsLeft(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	for _, role := range []postgres.Role{postgres.App, postgres.Worker} {
		for _, escape := range escapes {
			t.Run(string(role)+" "+escape, func(t *testing.T) {
				e := openEscapee(t, w.db, role)
				defer func() { require.NoError(t, e.conn.Close(context.Background())) }()
				before := e.rights()
				require.Positive(t, before)
				if _, err := e.conn.Exec(t.Context(), escape, pgx.QueryExecModeSimpleProtocol); err != nil {
					refused, ok := errors.AsType[*pgconn.PgError](err)
					require.True(t, ok && (refused.Code == "42501" || refused.Code == "28000"), err)
				}
				var current string
				require.NoError(t, e.ask("SELECT current_user", &current))
				if current == string(role) {
					require.Equal(t, before, e.rights())
					var records int
					if err := e.ask("SELECT count(*) FROM records", &records); err == nil {
						require.Zero(t, records, "without a scope")
					}
					return
				}
				require.Equal(t, embedded.Login(role), current)
				require.Zero(t, e.rights())
				for _, table := range []string{"users", "records", "events", "web_sessions"} {
					require.ErrorContains(t, e.ask("SELECT 1 FROM "+table, new(int)), "SQLSTATE 42501", table)
				}
			})
		}
	}
}

func TestLogins_ARoleThatIsSetInATransactionIsLeftWithoutRightsToo(t *testing.T) {
	t.Parallel()
	w := openTown(t)
	err := postgres.InTxAs(t.Context(), w.db.App, w.system, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SELECT set_config('role', 'none', true)"); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), "SELECT FROM records")
		return err
	})
	require.ErrorContains(t, err, "SQLSTATE 42501")
	_, err = w.db.App.Exec(t.Context(), "SELECT FROM records")
	require.NoError(t, err, "the connection's role is its own again after the transaction")
}

func TestLoginExcess_ReturnsTheRightsOfALoginBeyondItsRole(t *testing.T) {
	t.Parallel()
	server := startCluster(t)
	require.NoError(t, postgres.Migrate(t.Context(), server.URL(), silent))
	admin := connect(t, server.URL())
	for _, role := range []postgres.Role{postgres.App, postgres.Worker} {
		excess, err := postgres.LoginExcess(t.Context(), open(t, server.LoginURL(role), role), role)
		require.NoError(t, err)
		require.Empty(t, excess, role)
	}
	for i, c := range []struct{ grant, want string }{
		{"ALTER ROLE %s SUPERUSER", "login_0 is a superuser"},
		{"ALTER ROLE %s BYPASSRLS", "login_1 has BYPASSRLS"},
		{"ALTER ROLE %s CREATEROLE", "login_2 has CREATEROLE"},
		{"ALTER ROLE %s REPLICATION", "login_3 has REPLICATION"},
		{"GRANT carewire_owner, carewire_worker TO %s", "login_4 can become carewire_owner, carewire_worker"},
		{"GRANT pg_write_all_data TO %s", "login_5 can become pg_write_all_data"},
		{"ALTER DATABASE carewire OWNER TO %s", "login_6 can become pg_database_owner"},
	} {
		name := fmt.Sprintf("login_%d", i)
		_, err := admin.Exec(t.Context(), "CREATE ROLE "+name+" LOGIN NOINHERIT; GRANT carewire_app TO "+name)
		require.NoError(t, err)
		_, err = admin.Exec(t.Context(), fmt.Sprintf(c.grant, name))
		require.NoError(t, err)
		excess, err := postgres.LoginExcess(t.Context(), open(t, as(t, server.URL(), name, "carewire"), postgres.App), postgres.App)
		require.NoError(t, err)
		require.Equal(t, []string{c.want}, excess)
	}
	_, err := admin.Exec(t.Context(), "ALTER ROLE carewire_worker BYPASSRLS")
	require.NoError(t, err)
	excess, err := postgres.LoginExcess(t.Context(), open(t, server.LoginURL(postgres.Worker), postgres.Worker), postgres.Worker)
	require.NoError(t, err)
	require.Equal(t, []string{"carewire_worker has BYPASSRLS"}, excess, "what the role can do, its login can")
}

func TestPending_IsTrueForALoginWithoutPrivilegesYet(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	_, err := db.Owner.Exec(t.Context(), "REVOKE SELECT ON goose_db_version FROM carewire_app")
	require.NoError(t, err)
	pending, err := postgres.Pending(t.Context(), db.App)
	require.NoError(t, err)
	require.True(t, pending)
}
