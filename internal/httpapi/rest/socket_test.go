package rest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi/problem"
	"carewire/internal/httpapi/rest"
	"carewire/internal/ledger"
	"carewire/internal/realtime"
)

// listen serves the bundle's server on a real address.
func (b *bundle) listen() *httptest.Server {
	b.t.Helper()
	s := httptest.NewServer(b.server)
	b.t.Cleanup(s.Close)
	return s
}

// withHub gives the server a running hub, which ends with the test.
func withHub(t *testing.T) func(*config) {
	t.Helper()
	return func(c *config) {
		hub, err := realtime.New(realtime.Config{
			Pool: c.Writer.Pool(), Wake: make(chan struct{}), Codec: ledger.NewCodec([]byte(strings.Repeat("k", 32))), Authorizer: rest.Rights(c.Directory, c.Services.Chat),
			Verify: rest.Sessions(c.Verifier, c.Directory), Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		c.Services.Hub = hub
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = hub.Run(ctx)
		}()
		t.Cleanup(func() {
			stop, cancelStop := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancelStop()
			_ = hub.Shutdown(stop)
			cancel()
			<-done
		})
	}
}

// answer is what a handshake was refused with.
type answer struct {
	status      int
	contentType string
}

// dial opens a socket and reads its first frame, or gives the answer that refused it.
func dial(t *testing.T, server *httptest.Server, query string, header http.Header) (first map[string]any, refused answer) {
	t.Helper()
	d := websocket.Dialer{Subprotocols: []string{"carewire.v1"}, HandshakeTimeout: 10 * time.Second}
	conn, res, err := d.DialContext(t.Context(), strings.Replace(server.URL, "http", "ws", 1)+"/api/socket"+query, header)
	if err != nil {
		require.NotNil(t, res, "%v", err)
		_ = res.Body.Close()
		return nil, answer{res.StatusCode, res.Header.Get("Content-Type")}
	}
	_ = res.Body.Close()
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	var frame map[string]any
	require.NoError(t, conn.ReadJSON(&frame))
	return frame, answer{}
}

func TestSocket_OpensWithATokenOrATicketAndNeverWithACookie(t *testing.T) {
	t.Parallel()
	b := setup(t, demo, withHub(t))
	server := b.listen()
	bearer := http.Header{"Authorization": {"Bearer " + b.token(doctor)}}
	frame, _ := dial(t, server, "", bearer)
	require.Equal(t, "hello", frame["type"])
	require.NotEmpty(t, frame["cursor"])

	ticket := decode(t, b.do(doctor, http.MethodPost, "/api/socket/tickets", nil))["ticket"].(string)
	frame, _ = dial(t, server, "?ticket="+ticket, nil)
	require.Equal(t, "hello", frame["type"])
	session := b.demoLogin(doctor, "/").Result().Cookies()[0]
	for name, row := range map[string]struct {
		query  string
		header http.Header
		status int
	}{
		"a ticket used before": {"?ticket=" + ticket, nil, 401},
		"a made-up ticket":     {"?ticket=" + secret, nil, 401},
		"nothing":              {"", nil, 401},
		"a cookie":             {"", http.Header{"Cookie": {session.Name + "=" + session.Value}}, 401},
		"a bad token":          {"", http.Header{"Authorization": {"Bearer garbage"}}, 401},
		"another site's page":  {"", http.Header{"Authorization": bearer["Authorization"], "Origin": {"https://evil.example"}}, 403},
	} {
		_, res := dial(t, server, row.query, row.header)
		require.Equal(t, answer{row.status, "application/problem+json"}, res, name)
	}
	requireProblem(t, b.do(doctor, http.MethodGet, "/api/socket", nil), 400, "malformed")
}

func TestLogout_EndsTheTicketsAndTheSocketsOfItsSession(t *testing.T) {
	t.Parallel()
	b := setup(t, demo, withHub(t))
	server := b.listen()
	mine, other := b.demoLogin(doctor, "/"), b.demoLogin(doctor, "/")
	ticketOf := func(session *httptest.ResponseRecorder) string {
		w := b.send(carry(b.request("", http.MethodPost, "/api/socket/tickets", nil), session))
		require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
		return "?ticket=" + decode(t, w)["ticket"].(string)
	}
	socket := func(query string, header http.Header) *websocket.Conn {
		d := websocket.Dialer{Subprotocols: []string{"carewire.v1"}, HandshakeTimeout: 10 * time.Second}
		conn, res, err := d.DialContext(t.Context(), strings.Replace(server.URL, "http", "ws", 1)+"/api/socket"+query, header)
		require.NoError(t, err)
		_ = res.Body.Close()
		t.Cleanup(func() { _ = conn.Close() })
		var hello map[string]any
		require.NoError(t, conn.ReadJSON(&hello))
		require.Equal(t, "hello", hello["type"])
		return conn
	}
	unused, unusedOther := ticketOf(mine), ticketOf(other)
	ended := socket(ticketOf(mine), nil)
	kept := []*websocket.Conn{socket(ticketOf(other), nil), socket("", http.Header{"Authorization": {"Bearer " + b.token(doctor)}})}

	// No sequencer runs here: nothing waits for the event to get its position.
	out := b.send(carry(b.request("", http.MethodPost, "/logout", nil), mine))
	require.Equal(t, http.StatusSeeOther, out.Code, "%s", out.Body)
	_ = ended.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, _, err := ended.ReadMessage()
	require.True(t, websocket.IsCloseError(err, 4401), "%v", err)
	_, refused := dial(t, server, unused, nil)
	require.Equal(t, http.StatusUnauthorized, refused.status)
	requireProblem(t, b.send(carry(b.request("", http.MethodPost, "/api/socket/tickets", nil), mine)), 401, "unauthenticated")
	var closed int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT count(*) FROM outbox WHERE type = 'session.closed' AND person_id = $1", b.ids[doctor]).Scan(&closed))
	require.Equal(t, 1, closed)

	frame, _ := dial(t, server, unusedOther, nil)
	require.Equal(t, "hello", frame["type"])
	for _, conn := range kept {
		require.NoError(t, conn.WriteJSON(map[string]string{"type": "unsubscribe", "id": "1", "room": "patient:" + b.ids[patient].String()}))
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		var answered map[string]any
		require.NoError(t, conn.ReadJSON(&answered))
		require.Equal(t, "unsubscribed", answered["type"])
	}
}

func TestSocket_IsUnavailableWhereNoHubRuns(t *testing.T) {
	t.Parallel()
	requireProblem(t, setup(t).do(doctor, http.MethodGet, "/api/socket", nil), 503, "role_missing")
}

func TestServer_AnswersARealClientThatSendsTooMuchOrStopsMidway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	server := b.listen()
	client := server.Client()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/api/ehr/lab-reports", strings.NewReader(strings.Repeat("x", 4<<20)))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+b.token(doctor))
	res, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)
	var problem problem.Problem
	require.NoError(t, json.NewDecoder(res.Body).Decode(&problem))
	require.Equal(t, "too_large", problem.Code)

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "POST /api/ehr/lab-reports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{\"half\":", b.token(doctor))
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	half, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { _ = half.Body.Close() }()
	require.Equal(t, http.StatusBadRequest, half.StatusCode)
}
