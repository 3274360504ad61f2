package smtp_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	server "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
	"carewire/internal/notify/smtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mailServer is a real SMTP server. Its replies are errors by stage: "conn", "auth", "mail", "rcpt"
// and "data".
type mailServer struct {
	tls smtp.TLS

	mu       sync.Mutex
	replies  map[string]*server.SMTPError
	scenario notifytest.Scenario
	mails    []string
	froms    []string
	users    []string
	stopped  chan struct{}
	roots    *x509.CertPool
}

func newMailServer(mode smtp.TLS) *mailServer {
	return &mailServer{tls: mode, replies: map[string]*server.SMTPError{}, stopped: make(chan struct{})}
}

func (s *mailServer) Handler() http.Handler { return http.NotFoundHandler() }

func (s *mailServer) Received() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mails)
}

func reply(code int, enhanced server.EnhancedCode, text string) *server.SMTPError {
	return &server.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

func (s *mailServer) Use(scenario notifytest.Scenario) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scenario = scenario
	switch scenario {
	case notifytest.Rejects:
		s.replies["rcpt"] = reply(550, server.EnhancedCode{5, 1, 1}, "secret.person@mail.example: no such user")
	case notifytest.Throttles:
		s.replies["rcpt"] = reply(454, server.EnhancedCode{4, 7, 0}, "Throttling failure: Maximum sending rate exceeded.")
	case notifytest.Fails:
		s.replies["data"] = reply(451, server.EnhancedCode{4, 3, 0}, "secret.person@mail.example: try again")
	default:
	}
}

func (s *mailServer) set(stage string, e *server.SMTPError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies[stage] = e
}

func (s *mailServer) answer(stage string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.replies[stage]; e != nil {
		return e
	}
	return nil
}

// Serve implements notifytest.Server. The certificate is that of httptest, for example.com and
// 127.0.0.1.
func (s *mailServer) Serve(t *testing.T) (string, func()) {
	t.Helper()
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	settings := &tls.Config{Certificates: certificate.TLS.Certificates, MinVersion: tls.VersionTLS12}
	s.roots = x509.NewCertPool()
	s.roots.AddCert(certificate.Certificate())
	certificate.Close()
	srv := server.NewServer(s)
	srv.Domain, srv.ErrorLog = "mail.example", slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := "smtp://" + listener.Addr().String()
	switch s.tls {
	case smtp.Implicit:
		listener = tls.NewListener(listener, settings)
	case smtp.StartTLS:
		srv.TLSConfig = settings
	case smtp.None:
		srv.AllowInsecureAuth = true
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(listener)
	}()
	stop := sync.OnceFunc(func() {
		close(s.stopped)
		_ = srv.Close()
		// The server closes its listener only if Serve has begun.
		_ = listener.Close()
		<-done
	})
	t.Cleanup(stop)
	return address, stop
}

func (s *mailServer) NewSession(c *server.Conn) (server.Session, error) {
	if err := s.answer("conn"); err != nil {
		return nil, err
	}
	return &session{server: s, conn: c}, nil
}

type session struct {
	server *mailServer
	conn   *server.Conn
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if err := s.server.answer("auth"); err != nil {
			return err
		}
		if password != "correct" {
			return server.ErrAuthFailed
		}
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		s.server.users = append(s.server.users, username)
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *server.MailOptions) error {
	s.server.mu.Lock()
	s.server.froms = append(s.server.froms, from)
	s.server.mu.Unlock()
	return s.server.answer("mail")
}
func (s *session) Rcpt(string, *server.RcptOptions) error { return s.server.answer("rcpt") }
func (s *session) Reset()                                 {}
func (s *session) Logout() error                          { return nil }

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.server.answer("data"); err != nil {
		return err
	}
	s.server.mu.Lock()
	s.server.mails = append(s.server.mails, string(text))
	scenario := s.server.scenario
	s.server.mu.Unlock()
	switch scenario {
	case notifytest.AcceptsWithoutAnswer:
		<-s.server.stopped
	case notifytest.Breaks:
		_ = s.conn.Conn().Close()
		return errors.New("broken")
	default:
	}
	return nil
}

func newSender(t *testing.T, s *mailServer, address string, change ...func(*smtp.Config)) notify.Notifier {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	port, err := strconv.Atoi(u.Port())
	require.NoError(t, err)
	cfg := smtp.Config{Host: u.Hostname(), Port: port, TLS: s.tls, RootCAs: s.roots, From: "clinic@carewire.example"}
	for _, c := range change {
		c(&cfg)
	}
	n, err := smtp.New(cfg)
	require.NoError(t, err)
	t.Cleanup(n.Close)
	return n
}

func TestSender_IsAChannel(t *testing.T) {
	t.Parallel()
	for _, mode := range []smtp.TLS{smtp.None, smtp.StartTLS, smtp.Implicit} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			notifytest.TestChannel(t, notify.Email, func() notifytest.Provider { return newMailServer(mode) },
				func(t *testing.T, p notifytest.Provider, address string) notify.Notifier {
					t.Helper()
					s, ok := p.(*mailServer)
					require.True(t, ok)
					return newSender(t, s, address)
				})
		})
	}
}

func TestSender_WritesAMessageThatPeopleAndMailServersCanRead(t *testing.T) {
	t.Parallel()
	s := newMailServer(smtp.StartTLS)
	address, _ := s.Serve(t)
	m := notifytest.TestMessage(notify.Email)
	m.Subject, m.SenderName, m.ReplyTo, m.Priority = "Grüße\r\nBcc: x@evil.example", "Praxis Müller", "reply@clinic.example", "critical"
	m.UnsubscribeURL = "https://clinic.example/unsubscribe/" + strings.Repeat("x", 200)
	receipt, err := newSender(t, s, address, func(cfg *smtp.Config) { cfg.Username, cfg.Password = "carewire", "correct" }).Notify(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, []string{"carewire"}, s.users)
	require.Equal(t, []string{"clinic@carewire.example"}, s.froms)
	require.Equal(t, m.DeliveryID.String()+"@carewire.example", receipt.ProviderID)
	got, err := netmail.ReadMessage(bytes.NewReader([]byte(s.mails[0])))
	require.NoError(t, err)
	require.Equal(t, "<"+receipt.ProviderID+">", got.Header.Get("Message-ID"))
	require.Equal(t, "auto-generated", got.Header.Get("Auto-Submitted"))
	require.Equal(t, "high", strings.ToLower(got.Header.Get("Importance")))
	require.Equal(t, "<"+m.UnsubscribeURL+">", got.Header.Get("List-Unsubscribe"))
	require.Equal(t, "List-Unsubscribe=One-Click", got.Header.Get("List-Unsubscribe-Post"))
	require.Empty(t, got.Header.Get("Bcc"))
	from, err := got.Header.AddressList("From")
	require.NoError(t, err)
	require.Equal(t, &netmail.Address{Name: "Praxis Müller", Address: "clinic@carewire.example"}, from[0])
	require.Contains(t, got.Header.Get("Reply-To"), "reply@clinic.example")
	require.Contains(t, got.Header.Get("Content-Type"), "multipart/alternative")
	require.Contains(t, s.mails[0], "text/plain")
	require.Contains(t, s.mails[0], "text/html")
}

func TestSender_TellsRepliesAboutTheRecipientFromThoseAboutUs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stage string
		reply *server.SMTPError
		want  string
	}{
		{"conn", reply(421, server.EnhancedCode{4, 3, 2}, "closing"), "transient: smtp_421"},
		{"conn", reply(554, server.EnhancedCode{5, 7, 1}, "blocked"), "transient: smtp_554"},
		{"auth", reply(535, server.EnhancedCode{5, 7, 8}, "wrong"), "transient: smtp_535"},
		{"mail", reply(530, server.EnhancedCode{5, 7, 0}, "log in"), "transient: smtp_530_5.7.0"},
		{"mail", reply(550, server.EnhancedCode{5, 1, 8}, "unknown sender"), "transient: smtp_550_5.1.8"},
		{"rcpt", reply(550, server.EnhancedCode{5, 1, 1}, "no such user"), "permanent: smtp_550_5.1.1"},
		{"rcpt", reply(550, server.EnhancedCode{5, 7, 1}, "relaying denied"), "transient: smtp_550_5.7.1"},
		{"rcpt", reply(552, server.EnhancedCode{5, 2, 2}, "mailbox full"), "permanent: smtp_552_5.2.2"},
		{"rcpt", reply(450, server.EnhancedCode{4, 2, 1}, "greylisted"), "transient: smtp_450_4.2.1"},
		{"rcpt", reply(421, server.EnhancedCode{4, 7, 28}, "too much"), "throttled: smtp_421_4.7.28"},
		{"data", reply(554, server.EnhancedCode{5, 6, 0}, "malformed"), "permanent: smtp_554_5.6.0"},
		{"data", reply(554, server.EnhancedCode{5, 7, 1}, "policy"), "transient: smtp_554_5.7.1"},
		{"data", reply(552, server.EnhancedCode{5, 3, 4}, "too large"), "permanent: smtp_552_5.3.4"},
		{"data", reply(452, server.EnhancedCode{4, 3, 1}, "disk full"), "transient: smtp_452_4.3.1"},
	} {
		t.Run(c.stage+" "+c.want, func(t *testing.T) {
			t.Parallel()
			s := newMailServer(smtp.StartTLS)
			address, _ := s.Serve(t)
			s.set(c.stage, c.reply)
			n := newSender(t, s, address, func(cfg *smtp.Config) { cfg.Username, cfg.Password = "carewire", "correct" })
			_, err := n.Notify(t.Context(), notifytest.TestMessage(notify.Email))
			require.ErrorContains(t, err, c.want)
			require.Zero(t, s.Received())
		})
	}
}

func TestSender_NeverSendsInClearTextOrToAServerThatItCannotVerify(t *testing.T) {
	t.Parallel()
	s := newMailServer(smtp.None)
	address, _ := s.Serve(t)
	_, err := newSender(t, s, address, func(cfg *smtp.Config) { cfg.TLS = smtp.StartTLS }).Notify(t.Context(), notifytest.TestMessage(notify.Email))
	require.EqualError(t, err, "transient: no_starttls")
	require.Zero(t, s.Received())

	for _, mode := range []smtp.TLS{smtp.StartTLS, smtp.Implicit} {
		s := newMailServer(mode)
		address, _ := s.Serve(t)
		_, err := newSender(t, s, address, func(cfg *smtp.Config) { cfg.RootCAs = nil }).Notify(t.Context(), notifytest.TestMessage(notify.Email))
		require.EqualError(t, err, "transient: certificate")
		require.Zero(t, s.Received())
	}
}

func TestSender_AnAddressThatIsNoneIsPermanent(t *testing.T) {
	t.Parallel()
	s := newMailServer(smtp.None)
	m := notifytest.TestMessage(notify.Email)
	m.Email = "nobody"
	_, err := newSender(t, s, "smtp://127.0.0.1:1").Notify(t.Context(), m)
	require.EqualError(t, err, "permanent: invalid_address")
}

func TestConfig_NamesEachInvalidField(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]smtp.Config{
		"Host must":               {From: "a@b.example"},
		"Port must":               {Host: "mail.example", From: "a@b.example", Port: 70000},
		"starttls, implicit":      {Host: "mail.example", From: "a@b.example", TLS: "ssl"},
		"only for a server on":    {Host: "mail.example", From: "a@b.example", TLS: smtp.None},
		"Username needs TLS":      {Host: "127.0.0.1", From: "a@b.example", TLS: smtp.None, Username: "a", Password: "b"},
		"Username and Password":   {Host: "mail.example", From: "a@b.example", Username: "a"},
		"From must be an address": {Host: "mail.example", From: "Clinic <a@b.example>"},
	} {
		_, err := smtp.New(cfg)
		require.ErrorContains(t, err, want)
	}
}
