package e2e_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFaults_AProviderOutageLosesNothing(t *testing.T) {
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

func TestFaults_ARejectedAddressFailsAloneAndIsReported(t *testing.T) {
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
