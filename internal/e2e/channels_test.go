package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// everyChannelRules notifies the patient of a lab report on every channel.
const everyChannelRules = `rules:
  - name: report
    on: ehr.lab_report.created
    recipients: [user: data.userId]
    channels: [push, email, sms, whatsapp, inapp]
`

func TestChannels_OneEventReachesAPersonOnEachChannelAndReceiptsSettleIt(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		a := c.do(operator, http.MethodPost, "/api/rules", map[string]any{"source": everyChannelRules})
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		id := c.writeReport()
		for _, channel := range []string{"push", "email", "sms", "whatsapp"} {
			c.eventually(channel, func() bool { return len(c.sandboxMessages(channel, "")) == 1 })
			require.NotContains(t, fmt.Sprint(c.sandboxMessages(channel, "")[0]), "Potassium")
		}
		sms := c.sandboxMessages("sms", "")[0]
		require.Contains(t, sms["body"], c.url+"/l/")
		require.EqualValues(t, 1, sms["segments"])
		whatsApp := c.sandboxMessages("whatsapp", "")[0]
		require.Equal(t, []any{"carewire_clinical", "en", []any{"lab report"}}, []any{whatsApp["template"], whatsApp["language"], whatsApp["variables"]})
		require.True(t, strings.HasPrefix(whatsApp["button"].(string), "l/"), whatsApp["button"])

		for _, r := range []struct{ channel, status string }{{"email", "read"}, {"sms", "delivered"}, {"whatsapp", "read"}} {
			require.Equal(t, http.StatusNoContent, c.receipt(r.channel, r.status).status)
			c.eventually(r.channel+" is "+r.status, func() bool {
				return c.query(`SELECT count(*) FROM deliveries WHERE channel = $1 AND state = $2`, r.channel, r.status) == 1
			})
		}
		c.eventually("the ledger has them", func() bool { return len(ofType(c.story("lab_report/"+id), "notification.read")) == 2 })
	})
}

// receipt makes the stand-in post a receipt about the newest message of the channel.
func (c *clinic) receipt(channel, status string) answer {
	c.t.Helper()
	return c.do("", http.MethodPost, fmt.Sprintf("/sandbox/messages/%.0f/receipts", c.sandboxMessages(channel, "")[0]["id"]), map[string]string{"status": status})
}

func TestInbox_TwoDevicesOfAPersonShowTheSameCounts(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		phone, laptop, stranger := c.dial(patient, ""), c.dial(patient, ""), c.dial(doctor, "")
		c.writeReport()
		phone.awaitCounts(1, 1)
		laptop.awaitCounts(1, 1)
		item := c.own("")["items"].([]any)[0].(map[string]any)
		require.NotContains(t, item, "readAt")

		a := c.do(patient, http.MethodPost, "/api/inbox/seen", map[string]any{"upTo": item["id"]})
		require.JSONEq(t, `{"unread": 1, "unseen": 0}`, string(a.body))
		phone.awaitCounts(1, 0)
		laptop.awaitCounts(1, 0)
		a = c.do(doctor, http.MethodPost, "/api/inbox/read", map[string]any{"ids": []any{item["id"]}})
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		require.EqualValues(t, 1, c.own("")["unread"], "another person's mark changes nothing")
		a = c.do(patient, http.MethodPost, "/api/inbox/read", map[string]any{"ids": []any{item["id"]}})
		require.JSONEq(t, `{"unread": 0, "unseen": 0}`, string(a.body))
		phone.awaitCounts(0, 0)
		laptop.awaitCounts(0, 0)
		c.eventually("reading is in the ledger", func() bool {
			return c.query(`SELECT count(*) FROM events WHERE type = 'notification.read' AND data->>'channel' = 'inapp'`) == 1
		})

		a = c.do(patient, http.MethodPost, "/api/inbox/archive", map[string]any{"ids": []any{item["id"]}})
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		require.Empty(t, c.own("")["items"])
		require.Len(t, c.own("?archived=true")["items"], 1)
		require.Empty(t, ofType(stranger.events, "inbox.updated"), "only the person's own sockets")
	})
}

// own returns the patient's inbox.
func (c *clinic) own(query string) map[string]any {
	c.t.Helper()
	a := c.do(patient, http.MethodGet, "/api/inbox"+query, nil)
	require.Equal(c.t, http.StatusOK, a.status, "%s", a.body)
	return a.decode(c.t)
}

// awaitCounts reads until a frame has the counts of the inbox.
func (s *socket) awaitCounts(unread, unseen float64) {
	s.t.Helper()
	for {
		if frame := s.read(); frame["type"] == "inbox" && frame["unread"] == unread && frame["unseen"] == unseen {
			return
		}
	}
}

func TestUnsubscribe_OneClickEndsTheEmailsOfACategoryAndNothingElse(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		c.writeReport()
		c.eventually("an email", func() bool { return len(c.sandboxMessages("email", patient)) == 1 })
		headers := c.sandboxMessages("email", patient)[0]["headers"].(map[string]any)
		require.Equal(t, "List-Unsubscribe=One-Click", headers["List-Unsubscribe-Post"])
		link := strings.TrimPrefix(strings.Trim(headers["List-Unsubscribe"].(string), "<>"), c.url)

		page := c.do("", http.MethodGet, link, nil, "Accept", "text/html")
		require.Equal(t, http.StatusOK, page.status)
		require.Contains(t, string(page.body), "<button")
		require.Zero(t, c.query(`SELECT count(*) FROM preferences`), "a mail scanner that opens the link changes nothing")
		for _, changed := range []string{link[:len(link)-1] + flipped(link[len(link)-1]), link + "A", link[:len(link)-2]} {
			require.Equal(t, http.StatusNotFound, c.do("", http.MethodPost, changed, nil).status, changed)
		}
		a := c.do("", http.MethodPost, link, nil)
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		c.eventually("the change is in the ledger", func() bool {
			return c.query(`SELECT count(*) FROM events WHERE type = 'user.preference_changed'`) == 1
		})

		c.writeReport()
		c.eventually("the next report is pushed", func() bool { return len(c.sandboxMessages("push", "demo-device-patient")) == 2 })
		c.eventually("and emailed to the others", func() bool { return len(c.sandboxMessages("email", doctor)) == 2 })
		require.Len(t, c.sandboxMessages("email", patient), 1)
	})
}

// flipped returns another character of base64url. The last character of a token has unused bits, so
// one that differs in its first bit is chosen.
func flipped(last byte) string {
	if last == 'A' {
		return "g"
	}
	return "A"
}
