package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

const oneOfEach = "api,realtime,dispatch,work"

func TestInstances_StartedConcurrentlyOnAnEmptyDatabaseSeedItOnce(t *testing.T) {
	t.Parallel()
	db := &postgrestest.DB{URL: postgrestest.NewEmpty(t)}
	c := newClinic(t, testConfig(t, db))
	c.launch(slices.Repeat([]string{oneOfEach}, 3)...)
	for range c.instances {
		c.me(patient) // Each of them accepts the tokens of the shared key.
	}
	owner := db.Pool(t, postgres.Owner, 2)
	count := func(sql string) (n int) {
		t.Helper()
		require.NoError(t, owner.QueryRow(t.Context(), sql).Scan(&n))
		return n
	}
	c.eventually("the outbox is empty", func() bool { return count(`SELECT count(*) FROM outbox`) == 0 })
	for what, n := range map[string]int{"clinics": 2, "users": 12, "memberships": 12, "devices": 3, "care_team": 2, "rule_sets": 1, "template_sets": 1} {
		require.Equal(t, n, count(`SELECT count(*) FROM `+what), what)
	}
	for typ, n := range map[string]int{"user.created": 12, "membership.granted": 12, "device.registered": 3, "rules.published": 1, "templates.published": 1} {
		require.Equal(t, n, count(`SELECT count(*) FROM events WHERE type = '`+typ+`'`), typ)
	}
	require.Empty(t, c.sandboxMessages("email", ""), "and no notification is sent")
}

func TestInstances_ShareSandboxMessagesAndFaults(t *testing.T) {
	t.Parallel()
	c := openThree(t)
	require.Equal(t, http.StatusCreated, c.do("", http.MethodPost, "/sandbox/faults", map[string]any{"channel": "push", "status": 400}).status)
	require.Equal(t, http.StatusBadRequest, c.do("", http.MethodPost, "/sandbox/faults", map[string]any{"channel": "pigeon", "status": 400}).status)
	subjects := []string{"lab_report/" + c.writeReport(), "lab_report/" + c.writeReport(), "lab_report/" + c.writeReport()}
	for _, subject := range subjects {
		c.eventually("emails are sent, push messages fail", func() bool {
			return len(ofType(c.story(subject), "notification.sent")) == 3 && len(ofType(c.story(subject), "notification.failed")) == 3
		})
	}
	var first []byte
	for _, i := range c.instances {
		a, err := c.try(i.address(), "", http.MethodGet, "/sandbox/messages?channel=email", nil)
		require.NoError(t, err)
		require.Equal(t, 9, strings.Count(string(a.body), `"deliveryId"`), "%s", a.body)
		if first == nil {
			first = a.body
		}
		require.JSONEq(t, string(first), string(a.body))
		faults, err := c.try(i.address(), "", http.MethodGet, "/sandbox/faults", nil)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(faults.body), `"channel":"push"`), "%s", faults.body)
	}

	// A killed instance loses only the messages that it received itself.
	c.instances[0].kill()
	c.api.urls = c.api.urls[1:]
	require.Less(t, c.do("", http.MethodDelete, "/sandbox/faults", nil).status, 300)
	require.Less(t, c.do("", http.MethodDelete, "/sandbox/messages", nil).status, 300)
	for range 2 {
		require.Empty(t, c.sandboxMessages("", ""))
	}
	subject := "lab_report/" + c.writeReport()
	c.eventually("they do its work", func() bool { return len(ofType(c.story(subject), "notification.sent")) == 6 })
	require.Len(t, c.sandboxMessages("", ""), 6)
}

func TestInstances_ReportTheRoleTheyLack(t *testing.T) {
	t.Parallel()
	c := openRoles(t)
	ask := func(i int, path string) answer {
		t.Helper()
		a, err := c.try(c.instances[i].address(), doctor, http.MethodGet, path, nil)
		require.NoError(t, err)
		return a
	}
	const api, realtime = 0, 1
	for i := range c.instances {
		for _, path := range []string{"/livez", "/readyz", "/metrics", "/sandbox", "/sandbox/messages"} {
			require.Equal(t, http.StatusOK, ask(i, path).status, "%s of %s", path, c.instances[i].args)
		}
		for _, path := range []string{"/", "/api/me", "/api/ehr/lab-reports", "/login", "/openapi.yaml", "/admin/river/", "/notifications/x"} {
			if i != api {
				a := ask(i, path)
				require.Equal(t, http.StatusServiceUnavailable, a.status, "%s of %s", path, c.instances[i].args)
				require.Equal(t, "role_missing", a.decode(t)["code"])
				require.Contains(t, a.decode(t)["detail"], "role api")
			}
		}
		if i != realtime {
			a := ask(i, "/api/socket")
			require.Equal(t, http.StatusServiceUnavailable, a.status)
			require.Equal(t, "role_missing", a.decode(t)["code"])
			require.Contains(t, a.decode(t)["detail"], "role realtime")
		}
		require.Equal(t, http.StatusNotFound, ask(i, "/nowhere").status)
	}
	require.Equal(t, http.StatusOK, ask(api, "/api/me").status)
	require.NotEqual(t, http.StatusServiceUnavailable, ask(realtime, "/api/socket").status)
}
