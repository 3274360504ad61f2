package embedded_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
	"carewire/internal/postgres/embedded"
	"carewire/internal/postgres/postgrestest"
)

func TestStart_CreatesLoginsThatAnEarlierReleaseDidNotHave(t *testing.T) {
	t.Parallel()
	dir := postgrestest.DataDir(t)
	before := start(t, embedded.Config{DataDir: dir})
	require.NoError(t, postgres.Migrate(t.Context(), before.URL(), slog.New(slog.DiscardHandler)))
	_, err := connect(t, before.URL()).Exec(t.Context(), "DROP ROLE carewire_app_login, carewire_worker_login; REVOKE pg_read_all_stats FROM carewire_worker")
	require.NoError(t, err)
	require.NoError(t, before.Stop(t.Context()))

	after := start(t, embedded.Config{DataDir: dir})
	for _, role := range []postgres.Role{postgres.App, postgres.Worker} {
		pool := openPool(t, after.LoginURL(role), role)
		pending, err := postgres.Pending(t.Context(), pool)
		require.NoError(t, err)
		require.False(t, pending)
		var login string
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT session_user").Scan(&login))
		require.Equal(t, string(role)+"_login", login)
	}
}

func TestMigrate_RefusesAStandby(t *testing.T) {
	t.Parallel()
	server := start(t, embedded.Config{DataDir: postgrestest.DataDir(t)})
	require.NoError(t, server.Stop(t.Context()))
	stop, err := server.RunAsStandby(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stop()) })
	// The database is unavailable until it has recovered.
	require.Eventually(t, func() bool {
		err = postgres.Migrate(t.Context(), server.URL(), slog.New(slog.DiscardHandler))
		return !postgres.Away(err)
	}, time.Minute, 20*time.Millisecond)
	require.ErrorContains(t, err, "the server is a standby")
	require.ErrorContains(t, err, "SQLSTATE 25006")
	require.ErrorContains(t, err, "target_session_attrs=read-write")
}
