package audit_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/audit"
	"carewire/internal/care"
)

func TestClients_AreShownUntilTheRetentionPeriodEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old, fresh := b.created, b.created
	old.ID, fresh.ID = newID(), newID()
	old.Client = care.Client{Address: "203.0.113.7", Agent: care.AgentBrowser}
	fresh.Client = care.Client{Address: "2001:db8::/48", Agent: care.AgentService}
	b.append(t, old, fresh)
	b.exec(t, "UPDATE event_clients SET recorded_at = recorded_at - interval '2 days' WHERE agent = 'browser'")

	clients := func() (list []string) {
		page, err := b.reader.ListEvents(t.Context(), care.Command{Actor: b.auditor}, audit.Filter{Subject: b.created.Subject})
		require.NoError(t, err)
		for _, e := range page.Items {
			text, err := json.Marshal(e)
			require.NoError(t, err)
			var client struct{ ClientAddress, ClientAgent string }
			require.NoError(t, json.Unmarshal(text, &client))
			if client.ClientAgent != "" {
				list = append(list, client.ClientAddress+" "+client.ClientAgent)
			}
		}
		return list
	}
	require.Equal(t, []string{"203.0.113.7 browser", "2001:db8::/48 service"}, clients())
	rows := b.run(t, "record_story", map[string]string{"subject": b.created.Subject})
	require.Contains(t, column(rows, "client_agent"), "browser")

	deleted, err := audit.SweepClients(t.Context(), b.db.Worker, 24*time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, 1, deleted)
	require.Equal(t, []string{"2001:db8::/48 service"}, clients())
	require.Empty(t, b.run(t, "integrity", map[string]string{"from": "1", "until": "1000"}), "the ledger is unchanged")
}

func TestClients_AreReadInTheScopeOfTheAuditTrailOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.created
	e.ID, e.Client = newID(), care.Client{Address: "203.0.113.7", Agent: care.AgentBrowser}
	b.append(t, e)
	var n int
	require.NoError(t, b.db.App.QueryRow(t.Context(), "SELECT count(*) FROM event_clients").Scan(&n))
	require.Zero(t, n)
}
