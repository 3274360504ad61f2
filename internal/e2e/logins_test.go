package e2e_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/app"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

func TestLogins_RequestsAndWorkUseTheirOwn(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	require.Equal(t, "ready\n", string(c.do("", http.MethodGet, "/readyz", nil).body))
	rows, err := c.db.Owner.Query(t.Context(), `SELECT DISTINCT usename::text FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'carewire%' ORDER BY 1`)
	require.NoError(t, err)
	defer rows.Close()
	var logins []string
	for rows.Next() {
		var login string
		require.NoError(t, rows.Scan(&login))
		logins = append(logins, login)
	}
	require.Equal(t, []string{"carewire_app_login", "carewire_worker_login"}, logins)
	require.NotContains(t, c.log.String(), "row-level security")
}

func TestLogins_ASingleURLWorksAndIsReportedAsWeaker(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	cfg := testConfig(t, db)
	cfg.AppDatabaseURL, cfg.WorkerDatabaseURL = "", ""
	c := newClinic(t, cfg)
	c.db = db
	c.start()
	ready := c.do("", http.MethodGet, "/readyz", nil)
	require.Equal(t, http.StatusOK, ready.status)
	for _, setting := range []string{"CAREWIRE_APP_DATABASE_URL", "CAREWIRE_WORKER_DATABASE_URL"} {
		require.Contains(t, string(ready.body), "note: "+setting+" is not set")
		require.Contains(t, c.log.String(), "setting="+setting)
	}
	require.Contains(t, c.log.String(), "is a superuser")
	require.Equal(t, http.StatusOK, c.do(doctor, http.MethodGet, "/api/me", nil).status)
}

func TestLogins_ALoginWithExcessPrivilegesIsRejected(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	cfg := testConfig(t, db)
	cfg.AppDatabaseURL = db.URL
	_, err := app.Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "CAREWIRE_APP_DATABASE_URL: the login has more privileges than carewire_app needs: carewire is a superuser")
	cfg = testConfig(t, db)
	cfg.WorkerDatabaseURL = db.AppURL
	_, err = app.Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "connect to CAREWIRE_WORKER_DATABASE_URL")
}

func TestLogins_WithoutTheOwnersURLTheServiceWaitsForMigrations(t *testing.T) {
	t.Parallel()
	owner := postgrestest.NewEmpty(t)
	db := &postgrestest.DB{
		URL: owner, AppURL: postgrestest.LoginURL(t, owner, postgres.App), WorkerURL: postgrestest.LoginURL(t, owner, postgres.Worker),
	}
	cfg := testConfig(t, db)
	cfg.DatabaseURL, cfg.Addr = "", freeAddr(t)
	started := make(chan error, 1)
	var s *app.Service
	go func() {
		var err error
		s, err = app.Start(context.Background(), cfg, slog.New(slog.DiscardHandler))
		started <- err
	}()
	c := newClinic(t, cfg)
	c.db = db
	c.api.urls = []func() string{func() string { return "http://" + cfg.Addr }}
	ask := func(path string) answer {
		a, _ := c.try(c.api.url(), "", http.MethodGet, path, nil)
		return a
	}
	c.eventually("it reports the step that waits", func() bool {
		a := ask("/readyz")
		return a.status == http.StatusServiceUnavailable && strings.Contains(string(a.body), "migrations are pending")
	})
	require.Equal(t, http.StatusOK, ask("/livez").status)
	require.Equal(t, http.StatusServiceUnavailable, ask("/api/me").status)
	require.Empty(t, started)

	require.NoError(t, postgres.Migrate(t.Context(), owner, slog.New(slog.DiscardHandler)))
	require.NoError(t, <-started)
	t.Cleanup(s.Stop)
	c.eventually("it is ready", func() bool { return ask("/readyz").status == http.StatusOK })
	require.Equal(t, http.StatusOK, c.do(doctor, http.MethodGet, "/api/me", nil).status)
	require.ErrorContains(t, app.Migrate(t.Context(), cfg), "DATABASE_URL is not set")
}

func TestLogins_AServiceWaitingForMigrationsStopsOnRequest(t *testing.T) {
	t.Parallel()
	owner := postgrestest.NewEmpty(t)
	cfg := testConfig(t, &postgrestest.DB{
		AppURL: postgrestest.LoginURL(t, owner, postgres.App), WorkerURL: postgrestest.LoginURL(t, owner, postgres.Worker),
	})
	cfg.Addr = freeAddr(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.Serve(ctx, t.Context(), cfg, t.Output()) }()
	c := newClinic(t, cfg)
	c.eventually("it answers", func() bool {
		a, err := c.try("http://"+cfg.Addr, "", http.MethodGet, "/livez", nil)
		return err == nil && a.status == http.StatusOK
	})
	stop()
	require.NoError(t, <-ended)
}

// freeAddr returns a loopback address with a port that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}
