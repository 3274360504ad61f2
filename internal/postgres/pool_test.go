package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

func TestOpen_SetsRoleAndLimitsOnEachConnection(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: db.URL, Role: postgres.App, MaxConns: 3, AppName: "some test", StatementTimeout: 1500 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	require.EqualValues(t, 3, pool.Config().MaxConns)
	for range 3 {
		conn, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		defer conn.Release()
		var role, statement, idle, name string
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT current_user, current_setting('statement_timeout'),
			current_setting('idle_in_transaction_session_timeout'), current_setting('application_name')`).Scan(&role, &statement, &idle, &name))
		require.Equal(t, []string{"carewire_app", "1500ms", "5s", "some test"}, []string{role, statement, idle, name})
	}
}

func TestOpen_ReturnsARemedyAndNeverThePassword(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewEmpty(t)
	for name, c := range map[string]struct {
		url, want string
		role      postgres.Role
	}{
		"not a URL":   {url: "postgres://u:s3cret@host:port/db", want: "DATABASE_URL is not a PostgreSQL connection URL"},
		"a stray one": {url: "postgres://u:s3cret%zz@host/db", want: "DATABASE_URL is not a PostgreSQL connection URL"},
		"no server":   {url: "postgres://u:s3cret@127.0.0.1:1/db?sslmode=disable", want: `connect to DATABASE_URL (127.0.0.1:1, database "db", user "u")`},
		"no database": {url: as(t, url, "carewire", "nowhere"), want: "the database does not exist"},
		"no role":     {url: url, role: "carewire_stranger", want: `role carewire_stranger): set role`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := postgres.Open(t.Context(), postgres.Config{URL: c.url, Role: c.role})
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "s3cret")
			_, err = postgres.ConnectListener(t.Context(), postgres.Config{URL: c.url, Role: c.role})
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}

func TestOpen_AcceptsUUIDsInEveryFormThatQueriesUse(t *testing.T) {
	t.Parallel()
	pool := postgrestest.New(t).App
	one, two := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())

	var id uuid.UUID
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT $1::uuid", one).Scan(&id))
	require.Equal(t, one, id)

	var none, some *uuid.UUID
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT $1::uuid, $2::uuid", none, &two).Scan(&none, &some))
	require.Nil(t, none)
	require.Equal(t, &two, some)

	require.ErrorContains(t, pool.QueryRow(t.Context(), "SELECT NULL::uuid").Scan(&id), "NULL")
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT $1::uuid", pgx.QueryExecModeSimpleProtocol, one).Scan(&id), "as text")
	require.Equal(t, one, id)

	var ids []uuid.UUID
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT $1::uuid[]", []uuid.UUID{one, two}).Scan(&ids))
	require.Equal(t, []uuid.UUID{one, two}, ids)

	rows, err := pool.Query(t.Context(), "SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS t (a, b)", []uuid.UUID{one, two}, []*uuid.UUID{nil, &one})
	require.NoError(t, err)
	type pair struct {
		A uuid.UUID
		B *uuid.UUID
	}
	pairs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[pair])
	require.NoError(t, err)
	require.Equal(t, []pair{{one, nil}, {two, &one}}, pairs)
}

func BenchmarkUUIDs(b *testing.B) {
	pool := postgrestest.New(b).App
	ids := make([]uuid.UUID, 1000)
	for i := range ids {
		ids[i] = uuid.New()
	}
	b.ReportAllocs()
	for b.Loop() {
		var back []uuid.UUID
		require.NoError(b, pool.QueryRow(b.Context(), "SELECT $1::uuid[]", ids).Scan(&back))
	}
}
