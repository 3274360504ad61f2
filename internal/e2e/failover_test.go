package e2e_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/postgrestest"
)

// delivery returns the delivery in the operators' list.
func (c *clinic) delivery(id any) map[string]any {
	c.t.Helper()
	a := c.do(operator, http.MethodGet, "/api/deliveries?channel=email&limit=100", nil)
	require.Equal(c.t, http.StatusOK, a.status, "%s", a.body)
	for _, item := range a.decode(c.t)["items"].([]any) {
		if d := item.(map[string]any); d["id"] == id {
			return d
		}
	}
	require.Fail(c.t, "no such delivery", "%v", id)
	return nil
}

// Users of other notification services complain: "no failover between providers".
func TestFailover_AFaultOfTheFirstProviderMovesEmailsToTheSecondAndBack(t *testing.T) {
	t.Parallel()
	everyDeployment(t, func(c *clinic) {
		t := c.t
		emails := 0
		// next writes a report and returns the patient's email about it, once its delivery is settled.
		next := func() map[string]any {
			c.writeReport()
			emails++
			c.eventually("an email", func() bool { return len(c.sandboxMessages("email", patient)) >= emails })
			m := c.sandboxMessages("email", patient)[0]
			c.eventually("it is settled", func() bool { return c.delivery(m["deliveryId"])["state"] == "sent" })
			require.Len(t, c.sandboxMessages("email", patient), emails, "one email a report")
			return m
		}
		require.Equal(t, "ses", next()["provider"])
		for _, fault := range []map[string]any{
			{"provider": "ses", "errorCode": "ServiceUnavailable"}, {"provider": "ses", "status": 500}, {"provider": "ses", "errorCode": "AccountSuspendedException"},
		} {
			a := c.do(operator, http.MethodPost, "/sandbox/faults", fault)
			require.Less(t, a.status, 300, "%s", a.body)
			m := next()
			require.Equal(t, "ses-eu", m["provider"], fault)
			d := c.delivery(m["deliveryId"])
			require.Equal(t, "ses-eu", d["provider"], fault)
			require.InDelta(t, 1, d["attempt"], 0)
			require.Equal(t, false, d["possibleDuplicate"])

			require.Less(t, c.do(operator, http.MethodDelete, "/sandbox/faults", nil).status, 300)
			// The breaker of the first may be open for a while after many failures.
			c.eventually("traffic is back", func() bool { return next()["provider"] == "ses" })
		}
		a := c.do(operator, http.MethodPost, "/sandbox/faults", map[string]any{"provider": "mailgun", "status": 500})
		require.Equal(t, http.StatusBadRequest, a.status)
		require.Contains(t, string(a.body), "ses-eu")
	})
}

// mailbox is a mail server that stores what it receives.
type mailbox struct {
	mu    sync.Mutex
	mails []string
}

func (m *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return m, nil }
func (m *mailbox) Mail(string, *smtp.MailOptions) error        { return nil }
func (m *mailbox) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (m *mailbox) Reset()                                      {}
func (m *mailbox) Logout() error                               { return nil }

func (m *mailbox) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mails = append(m.mails, string(text))
	return nil
}

// to returns the mails to the address.
func (m *mailbox) to(address string) (all []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, text := range m.mails {
		if strings.Contains(text, "To: <"+address+">") {
			all = append(all, text)
		}
	}
	return all
}

// serve returns the port of the server.
func (m *mailbox) serve(t *testing.T) int {
	t.Helper()
	srv := smtp.NewServer(m)
	srv.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		_ = listener.Close()
		<-done
	})
	return listener.Addr().(*net.TCPAddr).Port
}

func TestFailover_TheProvidersOfAFileAreUsedInTheirOrder(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	c := newClinic(t, testConfig(t, db))
	c.db = db
	c.start()
	c.service.Stop()
	idp := newIdentityProvider(t)
	c.tokens, c.mint, c.api.urls, c.sockets.urls = map[string]string{}, idp.mint, nil, nil

	var calls atomic.Int32
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(broken.Close)
	mail := &mailbox{}
	dir := t.TempDir()
	file, key := filepath.Join(dir, "providers.yaml"), filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(key, []byte("secret-of-the-file\n"), 0o600))
	require.NoError(t, os.WriteFile(file, []byte(fmt.Sprintf(`email:
  - {name: ses-eu, kind: ses, from: carewire@clinic.example, region: eu-central-1, endpoint: %s, accessKeyId: {env: CLINIC_SES_KEY}, secretAccessKey: {file: %s}}
  - {name: mail, kind: smtp, from: carewire@clinic.example, host: 127.0.0.1, port: %d, tls: none, maxRate: 100}
`, broken.URL, key, mail.serve(t))), 0o600))
	c.addInstance([]string{
		"DATABASE_URL=", "CAREWIRE_APP_DATABASE_URL=" + db.AppURL, "CAREWIRE_WORKER_DATABASE_URL=" + db.WorkerURL, "CAREWIRE_DB_MAX_CONNS=8", "CAREWIRE_DRAIN_DELAY=0s",
		"CAREWIRE_BASE_URL=https://clinic.example", "CAREWIRE_OIDC_ISSUER=" + idp.URL, "CAREWIRE_PROVIDERS=" + file, "CLINIC_SES_KEY=test",
	}, "serve")
	c.ready()

	c.writeReport()
	c.eventually("an email", func() bool { return len(mail.to(patient)) == 1 })
	var id, provider, state string
	c.eventually("it is settled", func() bool {
		require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT id::text, coalesce(provider, ''), state FROM deliveries WHERE channel = 'email' AND recipient_id = (SELECT id FROM users WHERE email = $1)`, patient).Scan(&id, &provider, &state))
		return state == "sent"
	})
	require.Equal(t, "mail", provider)
	require.Contains(t, mail.to(patient)[0], "Message-ID: <"+id+"@clinic.example>")
	require.Positive(t, calls.Load(), "the first was tried first")
	require.Len(t, mail.to(patient), 1)
}
