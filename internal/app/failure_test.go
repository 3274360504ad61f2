package app_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestFaults_AProviderThatIsDownLosesNothing(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	fault := c.do(operator, http.MethodPost, "/sandbox/faults", map[string]any{"channel": "email", "status": 503, "probability": 1})
	require.Less(t, fault.status, 300, "%s", fault.body)
	id := c.writeReport()
	c.eventually("push goes out all the same", func() bool { return len(c.sandboxMessages("push", "")) == 3 })
	require.Empty(t, c.sandboxMessages("email", ""))
	require.Less(t, c.do(operator, http.MethodDelete, "/sandbox/faults", nil).status, 300)
	c.eventually("the emails arrive afterwards", func() bool { return len(c.sandboxMessages("email", "")) == 3 })
	c.eventually("and are in the story", func() bool { return len(ofType(c.story("lab_report/"+id), "notification.sent")) == 6 })
}

func TestFaults_AnAddressThatTheProviderRefusesFailsAloneAndIsToldOf(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	fault := c.do(operator, http.MethodPost, "/sandbox/faults", map[string]any{"channel": "email", "to": patient, "status": 400, "probability": 1})
	require.Less(t, fault.status, 300, "%s", fault.body)
	id := c.writeReport()
	c.eventually("five sent, one failed", func() bool {
		s := c.story("lab_report/" + id)
		return len(ofType(s, "notification.sent")) == 5 && len(ofType(s, "notification.failed")) == 1
	})
	a := c.do(operator, http.MethodGet, "/api/notifications?state=failed", nil)
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	require.Len(t, a.decode(t)["items"], 1)
}

func TestFaults_ADatabaseThatGoesAwayIsSaidToBeAwayAndComesBack(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	report := c.report()
	name := c.db.Owner.Config().ConnConfig.Database
	cfg, err := pgx.ParseConfig(c.db.URL)
	require.NoError(t, err)
	cfg.Database = "postgres"
	admin, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	_, err = admin.Exec(t.Context(), `ALTER DATABASE `+name+` ALLOW_CONNECTIONS false`)
	require.NoError(t, err)
	_, err = admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, name)
	require.NoError(t, err)

	a := c.do(doctor, http.MethodPost, "/api/ehr/lab-reports", report)
	require.Equal(t, http.StatusServiceUnavailable, a.status, "%s", a.body)
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.Equal(t, http.StatusServiceUnavailable, c.do("", http.MethodGet, "/readyz", nil).status)
	require.Equal(t, http.StatusOK, c.do("", http.MethodGet, "/livez", nil).status)

	_, err = admin.Exec(t.Context(), `ALTER DATABASE `+name+` ALLOW_CONNECTIONS true`)
	require.NoError(t, err)
	c.eventually("it recovers by itself", func() bool {
		return c.do(doctor, http.MethodPost, "/api/ehr/lab-reports", report).status == http.StatusCreated
	})
	c.eventually("and works off what was written", func() bool { return len(c.sandboxMessages("email", "")) == 3 })
}
