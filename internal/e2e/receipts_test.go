package e2e_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReceipts_OfTheSandboxMoveADeliveryToDeliveredAndRead(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		c.writeReport()
		c.eventually("an email", func() bool { return len(c.sandboxMessages("email", patient)) == 1 })
		m := c.sandboxMessages("email", patient)[0]
		state := func() (s string) {
			require.NoError(t, c.db.Owner.QueryRow(t.Context(), `SELECT state FROM deliveries WHERE id = $1::uuid`, m["deliveryId"]).Scan(&s))
			return s
		}
		receive := func(status string) answer {
			return c.do("", http.MethodPost, fmt.Sprintf("/sandbox/messages/%.0f/receipts", m["id"]), map[string]string{"status": status})
		}
		for _, status := range []string{"delivered", "read"} {
			a := receive(status)
			require.Equal(t, http.StatusNoContent, a.status, "%s", a.body)
			c.eventually("the delivery is "+status, func() bool { return state() == status })
		}
		require.Equal(t, http.StatusBadRequest, receive("opted_out").status, "not by email")

		// A complaint suppresses the address: the next report reaches the patient by push only.
		require.Equal(t, http.StatusNoContent, receive("complained").status)
		require.Equal(t, "read", state())
		listed := c.do(operator, http.MethodGet, "/api/suppressions", nil)
		require.Equal(t, http.StatusOK, listed.status, "%s", listed.body)
		items := listed.decode(t)["items"].([]any)
		require.Len(t, items, 1)
		found := items[0].(map[string]any)
		require.Equal(t, "complaint", found["reason"])
		require.NotContains(t, string(listed.body), "@")
		c.writeReport()
		c.eventually("the decision has its reason", func() bool {
			var n int
			require.NoError(t, c.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM (SELECT reason FROM decisions UNION ALL SELECT reason FROM deliveries) AS r WHERE reason = 'suppressed:complaint'`).Scan(&n))
			return n == 1
		})

		require.Equal(t, http.StatusForbidden, c.do(doctor, http.MethodGet, "/api/suppressions", nil).status)
		removed := c.do(operator, http.MethodDelete, fmt.Sprint("/api/suppressions/", found["id"]), nil)
		require.Equal(t, http.StatusNoContent, removed.status, "%s", removed.body)
		require.Equal(t, http.StatusNotFound, c.do(operator, http.MethodDelete, fmt.Sprint("/api/suppressions/", found["id"]), nil).status)
		c.writeReport()
		c.eventually("email again", func() bool { return len(c.sandboxMessages("email", patient)) == 2 })

		// A forged one is refused and audited.
		forged := c.do("", http.MethodPost, "/webhooks/whatsapp", map[string]any{"entry": []any{}}, "X-Hub-Signature-256", "sha256=00")
		require.Equal(t, http.StatusForbidden, forged.status, "%s", forged.body)
		c.eventually("the refusal is in the ledger", func() bool {
			var n int
			require.NoError(t, c.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE type = 'receipt.refused'`).Scan(&n))
			return n >= 1
		})
	})
}
