package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"carewire/internal/app"
	"carewire/internal/config"
	"carewire/internal/logtest"
	"carewire/internal/postgres/postgrestest"
)

// clinic is a running service with its addresses, tokens and database.
type clinic struct {
	t *testing.T
	// url is the public URL of the service, used for links.
	url string
	// api and sockets are the instances that serve requests and sockets, in round-robin order.
	api, sockets turns
	cfg          config.Config
	db           *postgrestest.DB
	// service runs in this process; instances run in their own processes.
	service   *app.Service
	instances []*instance
	mint      func(email string) (string, error)
	tokens    map[string]string
	mu        sync.Mutex
	cli       *commandLine
	log       logtest.Buffer // Warnings and errors of the service.
}

// turns returns addresses in round-robin order.
type turns struct {
	urls []func() string
	next atomic.Uint64
}

func (r *turns) url() string { return r.urls[r.next.Add(1)%uint64(len(r.urls))]() }

// testConfig returns the settings of a demo service on the test's database.
func testConfig(t *testing.T, db *postgrestest.DB) config.Config {
	t.Helper()
	return config.Config{
		DatabaseURL: db.URL, AppDatabaseURL: db.AppURL, WorkerDatabaseURL: db.WorkerURL, DataDir: t.TempDir(), Addr: "127.0.0.1:0", RateLimit: 500, SocketsPerPerson: 50, MaxConns: 8, OIDCAudience: "carewire",
		LogLevel: "warn", LogFormat: "text", ShutdownTimeout: slowdown * 10 * time.Second, Demo: true, Roles: config.AllRoles,
	}
}

// openClinic starts a service in demo mode, as `carewire serve --demo` does, and stops it with the
// test.
func openClinic(t *testing.T) *clinic {
	t.Helper()
	db := postgrestest.New(t)
	c := newClinic(t, testConfig(t, db))
	c.db = db
	c.start()
	return c
}

// newClinic returns a demo clinic without a running service.
func newClinic(t *testing.T, cfg config.Config) *clinic {
	t.Helper()
	return &clinic{t: t, cfg: cfg, tokens: map[string]string{}, mint: func(email string) (string, error) { return app.MintToken(cfg, email, time.Hour) }}
}

// start runs the service in this process.
func (c *clinic) start() {
	c.t.Helper()
	s, err := app.Start(c.t.Context(), c.cfg, slog.New(slog.NewTextHandler(io.MultiWriter(c.t.Output(), &c.log), &slog.HandlerOptions{Level: slog.LevelWarn})))
	require.NoError(c.t, err)
	c.service, c.url = s, s.URL
	c.api.urls = []func() string{func() string { return s.URL }}
	c.sockets.urls = c.api.urls
	c.t.Cleanup(s.Stop)
	c.eventually("ready", func() bool { return c.do("", http.MethodGet, "/readyz", nil).status == http.StatusOK })
}

// token returns a bearer token of the demo person.
func (c *clinic) token(email string) string {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens[email] == "" {
		token, err := c.mint(email)
		require.NoError(c.t, err)
		c.tokens[email] = token
	}
	return c.tokens[email]
}

// answer is a response of the service.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) decode(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal(a.body, &v), "%d %s", a.status, a.body)
	return v
}

// do sends a request as the demo person with that email, or without a token for "". body is JSON
// text, or a value to encode.
func (c *clinic) do(as, method, path string, body any, headers ...string) answer {
	c.t.Helper()
	a, err := c.try(c.api.url(), as, method, path, body, headers...)
	require.NoError(c.t, err)
	return a
}

// try sends a request to one instance, which may be stopping.
func (c *clinic) try(url, as, method, path string, body any, headers ...string) (answer, error) {
	c.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		require.NoError(c.t, err)
		r = bytes.NewReader(encoded)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url+path, r)
	require.NoError(c.t, err)
	if as != "" {
		req.Header.Set("Authorization", "Bearer "+c.token(as))
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, data}, err
}

// me returns the person's ID and clinic, from GET /api/me.
func (c *clinic) me(email string) (id, clinicID string) {
	c.t.Helper()
	a := c.do(email, http.MethodGet, "/api/me", nil)
	require.Equal(c.t, http.StatusOK, a.status, "%s", a.body)
	var v struct {
		ID          string
		Memberships []struct{ ClinicID *string }
	}
	require.NoError(c.t, json.Unmarshal(a.body, &v))
	if len(v.Memberships) > 0 && v.Memberships[0].ClinicID != nil {
		clinicID = *v.Memberships[0].ClinicID
	}
	return v.ID, clinicID
}

// report returns a valid lab report of the demo patient.
func (c *clinic) report() map[string]any {
	c.t.Helper()
	patient, clinicID := c.me(patient)
	return labReport(patient, clinicID, "N")
}

// labReport returns a valid lab report with one result.
func labReport(patientID, clinicID, interpretation string) map[string]any {
	return map[string]any{
		"patientId": patientID, "clinicId": clinicID, "status": "final", "effectiveAt": "2026-03-14T09:30:00Z",
		"code": map[string]any{"system": "http://loinc.org", "code": "24323-8", "display": "Comprehensive metabolic panel"},
		"results": []any{map[string]any{
			"code":  map[string]any{"system": "http://loinc.org", "code": "2823-3", "display": "Potassium"},
			"value": 4.1, "unit": "mmol/L", "interpretation": interpretation,
		}},
	}
}

// writeReport creates a lab report as the doctor and returns its ID.
func (c *clinic) writeReport() string {
	c.t.Helper()
	a := c.do(doctor, http.MethodPost, "/api/ehr/lab-reports", c.report())
	require.Equal(c.t, http.StatusCreated, a.status, "%s", a.body)
	return a.decode(c.t)["id"].(string)
}

// sandboxMessages returns the messages to the address on the channel, newest first.
func (c *clinic) sandboxMessages(channel, to string) []map[string]any {
	c.t.Helper()
	a := c.do("", http.MethodGet, "/sandbox/messages?channel="+channel, nil)
	require.Equal(c.t, http.StatusOK, a.status)
	var all, theirs []map[string]any
	require.NoError(c.t, json.Unmarshal(a.body, &all))
	for _, m := range all {
		if to == "" || m["to"] == to {
			theirs = append(theirs, m)
		}
	}
	return theirs
}

// story returns the audit trail of a subject, oldest first.
func (c *clinic) story(subject string) []map[string]any {
	c.t.Helper()
	var all []map[string]any
	after := ""
	for {
		a := c.do(auditor, http.MethodGet, "/api/audit?subject="+url.QueryEscape(subject)+"&after="+url.QueryEscape(after), nil)
		require.Equal(c.t, http.StatusOK, a.status, "%s", a.body)
		var page struct {
			Items []map[string]any
			Next  string
		}
		require.NoError(c.t, json.Unmarshal(a.body, &page))
		all = append(all, page.Items...)
		if page.Next == "" {
			return all
		}
		after = page.Next
	}
}

// ofType returns the events of one type.
func ofType(events []map[string]any, typ string) []map[string]any {
	var some []map[string]any
	for _, e := range events {
		if e["type"] == typ {
			some = append(some, e)
		}
	}
	return some
}

// patience is how long to wait for a condition that is usually true within moments, on a busy
// machine.
const patience = slowdown * 30 * time.Second

func (c *clinic) eventually(what string, cond func() bool) {
	c.t.Helper()
	c.within(patience, what, cond)
}

// within waits for a condition with a timeout.
func (c *clinic) within(d time.Duration, what string, cond func() bool) {
	c.t.Helper()
	require.Eventually(c.t, cond, d, 20*time.Millisecond, "%s", what)
}

// socket is a client that checks, frame by frame, that its transcript is contiguous.
type socket struct {
	t      *testing.T
	conn   *websocket.Conn
	cursor string
	events []map[string]any
}

// dial opens a socket as the person, resumes from the cursor unless it is empty, and reads the
// hello.
func (c *clinic) dial(as, cursor string) *socket {
	c.t.Helper()
	conn, err := c.tryDial(as, cursor)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close() })
	s := &socket{t: c.t, conn: conn}
	hello := s.read()
	require.Equal(c.t, "hello", hello["type"])
	s.cursor = hello["cursor"].(string)
	return s
}

func (c *clinic) tryDial(as, cursor string) (*websocket.Conn, error) {
	c.t.Helper()
	u := strings.Replace(c.sockets.url(), "http", "ws", 1) + "/api/socket"
	if cursor != "" {
		u += "?cursor=" + url.QueryEscape(cursor)
	}
	dialer := websocket.Dialer{Subprotocols: []string{"carewire.v1"}, HandshakeTimeout: patience}
	conn, res, err := dialer.DialContext(c.t.Context(), u, http.Header{"Authorization": {"Bearer " + c.token(as)}})
	if res != nil {
		_ = res.Body.Close()
	}
	return conn, err
}

func (s *socket) read() map[string]any {
	s.t.Helper()
	require.NoError(s.t, s.conn.SetReadDeadline(time.Now().Add(patience)))
	var frame map[string]any
	require.NoError(s.t, s.conn.ReadJSON(&frame))
	if frame["type"] == "events" {
		require.Equal(s.t, s.cursor, frame["from"], "a frame begins where the one before ended")
		s.cursor = frame["to"].(string)
		for _, e := range frame["events"].([]any) {
			s.events = append(s.events, e.(map[string]any))
		}
	}
	return frame
}

func (s *socket) send(frame any) {
	s.t.Helper()
	require.NoError(s.t, s.conn.WriteJSON(frame))
}

// reply reads until a frame that answers a message of this client.
func (s *socket) reply() map[string]any {
	s.t.Helper()
	for {
		if frame := s.read(); frame["id"] != nil {
			return frame
		}
	}
}

// await reads until the socket has received an event of the type about the subject, and returns all
// events so far.
func (s *socket) await(typ, subject string) []map[string]any {
	s.t.Helper()
	for len(s.about(typ, subject)) == 0 {
		s.read()
	}
	return s.about(typ, subject)
}

// awaitClose reads until the socket is closed and returns the code.
func (s *socket) awaitClose() int {
	s.t.Helper()
	require.NoError(s.t, s.conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		if _, _, err := s.conn.ReadMessage(); err != nil {
			var closed *websocket.CloseError
			require.ErrorAs(s.t, err, &closed)
			return closed.Code
		}
	}
}

func (s *socket) about(typ, subject string) []map[string]any {
	var some []map[string]any
	for _, e := range ofType(s.events, typ) {
		if e["subject"] == subject {
			some = append(some, e)
		}
	}
	return some
}

const (
	patient      = "patient@demo.example"
	doctor       = "doctor@demo.example"
	nurse        = "nurse@demo.example"
	receptionist = "receptionist@demo.example"
	admin        = "admin@demo.example"
	auditor      = "auditor@demo.example"
	operator     = "operator@demo.example"
	otherDoctor  = "doctor@other.example"
)
