package e2e_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/app"
	"carewire/internal/config"
	"carewire/internal/postgres/postgrestest"
)

// forwarder is a TCP proxy in front of the tests' PostgreSQL that can be switched off and on.
type forwarder struct {
	t       *testing.T
	addr    string
	network string
	server  string
	user    *url.Userinfo

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	// fuse is the number of messages from clients after which all connections are cut; negative
	// disables it.
	fuse int
	blew chan struct{}
	all  sync.WaitGroup
}

// newForwarder returns a forwarder that is off.
func newForwarder(t *testing.T, base string) (f *forwarder, databaseURL string) {
	t.Helper()
	u, err := url.Parse(base)
	require.NoError(t, err)
	socket := u.Query().Get("host") + "/.s.PGSQL." + u.Query().Get("port")
	f = &forwarder{t: t, addr: freeAddress(t), network: "unix", server: socket, user: u.User, conns: map[net.Conn]bool{}, fuse: -1, blew: make(chan struct{}, 1)}
	t.Cleanup(func() {
		f.away()
		f.all.Wait()
	})
	return f, "postgres://" + u.User.String() + "@" + f.addr + u.Path + "?sslmode=disable"
}

// freeAddress returns a loopback address that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

// back accepts clients.
func (f *forwarder) back() {
	f.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", f.addr)
	require.NoError(f.t, err)
	f.mu.Lock()
	f.listener = l
	f.mu.Unlock()
	f.all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			f.all.Go(func() { f.forward(client) })
		}
	})
}

// away refuses connections and cuts the existing ones.
func (f *forwarder) away() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listener != nil {
		_ = f.listener.Close()
		f.listener = nil
	}
	for c := range f.conns {
		_ = c.Close()
	}
	f.fuse = -1
}

// awayAfter switches off at the n-th message from now on, and then sends on blew.
func (f *forwarder) awayAfter(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fuse = n
}

func (f *forwarder) forward(client net.Conn) {
	server, err := net.Dial(f.network, f.server)
	if err != nil {
		_ = client.Close()
		return
	}
	f.mu.Lock()
	if f.listener == nil {
		_, _ = client.Close(), server.Close()
	}
	f.conns[client], f.conns[server] = true, true
	f.mu.Unlock()
	f.all.Go(func() {
		_, _ = io.Copy(client, server)
		_, _ = client.Close(), server.Close()
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil || f.blown() {
			break
		}
		if _, err := server.Write(buf[:n]); err != nil {
			break
		}
	}
	_, _ = client.Close(), server.Close()
}

// blown switches off when the fuse is used up.
func (f *forwarder) blown() bool {
	f.mu.Lock()
	blows := f.fuse == 0
	if f.fuse >= 0 {
		f.fuse--
	}
	f.mu.Unlock()
	if blows {
		f.away()
		f.blew <- struct{}{}
	}
	return blows
}

// starting starts a service without waiting until it is ready.
func (c *clinic) starting(ctx context.Context) (done <-chan *app.Service, failed <-chan error) {
	c.t.Helper()
	s, f := make(chan *app.Service, 1), make(chan error, 1)
	go func() {
		service, err := app.Start(ctx, c.cfg, slog.New(slog.NewTextHandler(io.MultiWriter(c.t.Output(), &c.log), nil)))
		if err != nil {
			f <- err
			return
		}
		s <- service
	}()
	return s, f
}

func (c *clinic) started(done <-chan *app.Service, failed <-chan error) *app.Service {
	c.t.Helper()
	select {
	case s := <-done:
		c.t.Cleanup(s.Stop)
		return s
	case err := <-failed:
		require.NoError(c.t, err)
	}
	return nil
}

func TestStart_RespondsFromTheFirstMomentAndWaitsForAnUnavailableDatabase(t *testing.T) {
	t.Parallel()
	f, databaseURL := newForwarder(t, postgrestest.NewEmpty(t))
	c := newClinic(t, testConfig(t, &postgrestest.DB{URL: databaseURL}))
	c.cfg.Addr, c.cfg.StartTimeout = freeAddress(t), time.Hour
	c.url = "http://" + c.cfg.Addr
	c.api.urls = []func() string{func() string { return c.url }}
	done, failed := c.starting(t.Context())
	c.within(2*patience, "it reports the step that waits", func() bool {
		a, err := c.try(c.url, "", http.MethodGet, "/readyz", nil)
		return err == nil && a.status == http.StatusServiceUnavailable && strings.Contains(string(a.body), "starting: migrate: waiting for the database")
	})
	require.Equal(t, http.StatusOK, c.do("", http.MethodGet, "/livez", nil).status)
	for _, path := range []string{"/", "/api/me", "/livez/", "/nowhere", "/api/../readyz", "/metrics"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			a := c.do("", method, path, nil)
			require.Equal(t, http.StatusServiceUnavailable, a.status, path)
			require.Equal(t, "unavailable", a.decode(t)["code"], path)
			require.NotEmpty(t, a.header.Get("Retry-After"), path)
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
		}
	}
	f.back()
	s := c.started(done, failed)
	require.Equal(t, c.url, s.URL)
	c.within(2*patience, "ready", func() bool { return c.do("", http.MethodGet, "/readyz", nil).status == http.StatusOK })
	require.Contains(t, c.log.String(), "waiting for the database")
	require.NotEmpty(t, c.writeReport())
}

func TestStart_RespondsToAClientThatNeverSendsItsBody(t *testing.T) {
	t.Parallel()
	_, databaseURL := newForwarder(t, postgrestest.NewEmpty(t))
	c := newClinic(t, testConfig(t, &postgrestest.DB{URL: databaseURL}))
	c.cfg.Addr, c.cfg.StartTimeout = freeAddress(t), time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	_, failed := c.starting(ctx)
	var conn net.Conn
	c.within(2*patience, "it listens", func() (ok bool) {
		var err error
		conn, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", c.cfg.Addr)
		return err == nil
	})
	_, err := io.WriteString(conn, "POST /api/ehr/lab-reports HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "503 Service Unavailable")
	require.NoError(t, conn.Close())

	cancel()
	require.ErrorIs(t, <-failed, context.Canceled, "and a Ctrl-C ends the wait")
	_, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", c.cfg.Addr)
	require.Error(t, err, "the listener is closed")
}

// The database becomes unavailable at each moment of the start in turn, and returns when the
// service has noticed.
func TestStart_SurvivesAnUnavailableDatabaseAtAnyMoment(t *testing.T) {
	t.Parallel()
	f, databaseURL := newForwarder(t, postgrestest.NewEmpty(t))
	c := newClinic(t, testConfig(t, &postgrestest.DB{URL: databaseURL}))
	c.cfg.StartTimeout = time.Hour
	f.back()
	for _, message := range []int{3, 30, 9, 14, 20, 26, 34, 40, 47, 55, 64, 75, 90} {
		f.awayAfter(message)
		done, failed := c.starting(t.Context())
		select {
		case <-f.blew:
			f.back()
		case s := <-done: // The start needed fewer messages.
			f.awayAfter(-1)
			s.Stop()
			continue
		}
		s := c.started(done, failed)
		c.within(3*patience, "ready", func() bool {
			a, err := c.try(s.URL, "", http.MethodGet, "/readyz", nil)
			return err == nil && a.status == http.StatusOK
		})
		s.Stop()
	}
}

func TestStart_FailsImmediatelyWithARemedyIfWaitingDoesNotHelp(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	base, err := url.Parse(db.URL)
	require.NoError(t, err)
	// Over TCP the tests' server requires a password.
	tcp := "127.0.0.1:" + base.Query().Get("port")
	for name, test := range map[string]struct {
		url  string
		says []string
	}{
		"a wrong password":   {"postgres://carewire:wrong@" + tcp + base.Path + "?sslmode=disable", []string{"SQLSTATE 28P01", "check both"}},
		"no such database":   {strings.Replace(db.URL, base.Path, "/nowhere", 1), []string{"SQLSTATE 3D000", "create it first"}},
		"connection refused": {"postgres://u:s3cret@127.0.0.1:1/db?sslmode=disable", []string{"CAREWIRE_START_TIMEOUT", "127.0.0.1:1", "connection refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(t, &postgrestest.DB{URL: test.url})
			if name != "connection refused" {
				cfg.StartTimeout = time.Hour
			}
			_, err := app.Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
			for _, says := range test.says {
				require.ErrorContains(t, err, says)
			}
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}

// A provider accepts a message and does not respond; its instance is stopped in less time than the
// attempt may take.
func TestStop_RecordsTheOutcomeOfARunningAttempt(t *testing.T) {
	t.Parallel()
	c, providers, _ := openProduction(t, "CAREWIRE_SHUTDOWN_TIMEOUT=8s")
	asked := make(chan struct{}, len(providers))
	hang := func() { asked <- struct{}{} }
	for _, p := range providers {
		p.kill.Store(&hang)
	}
	for len(asked) == 0 {
		c.writeReport()
	}
	for _, i := range c.instances {
		i.stop()
	}
	require.Equal(t, 0, c.query(`SELECT count(*) FROM deliveries WHERE state = 'queued' AND attempt_started_at IS NOT NULL`), "none was cut off with its process")
	require.Equal(t, len(asked), c.query(`SELECT count(*) FROM deliveries WHERE state = 'uncertain'`))
}

func TestCommands_ReportAnUnsuitableDatabaseInOneLineWithARemedy(t *testing.T) {
	t.Parallel()
	empty, readOnly := postgrestest.NewEmpty(t), postgrestest.New(t).URL+"&default_transaction_read_only=on"
	for name, c := range map[string]struct {
		run  func(cfg config.Config) error
		url  string
		says []string
	}{
		"no tables, a list": {func(cfg config.Config) error {
			_, err := openCommandLine(t, cfg).ListFollowers(t.Context())
			return err
		}, empty, []string{"SQLSTATE 42P01", "carewire migrate"}},
		"no tables, rules": {func(cfg config.Config) error {
			_, err := openCommandLine(t, cfg).PublishRules(t.Context(), byCLI, "rules.yaml", []byte("rules: []"), "x")
			return err
		}, empty, []string{"SQLSTATE 42P01", "carewire migrate"}},
		"no tables, an epoch": {func(cfg config.Config) error {
			_, err := openCommandLine(t, cfg).StartEpoch(t.Context(), "a restore")
			return err
		}, empty, []string{"SQLSTATE 42P01", "carewire migrate"}},
		"read-only": {func(cfg config.Config) error {
			_, err := openCommandLine(t, cfg).StartEpoch(t.Context(), "a restore")
			return err
		}, readOnly, []string{"SQLSTATE 25006", "primary"}},
		"read-only, a retry": {func(cfg config.Config) error { return openCommandLine(t, cfg).RedriveDeadLetter(t.Context(), byCLI, 1) }, readOnly, []string{"SQLSTATE 25006", "primary"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.run(testConfig(t, &postgrestest.DB{URL: c.url}))
			for _, says := range c.says {
				require.ErrorContains(t, err, says)
			}
			require.NotContains(t, err.Error(), "\n")
		})
	}
}
