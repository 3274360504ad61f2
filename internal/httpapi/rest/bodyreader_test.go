package rest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serveSlow serves the handler on a real connection, with the server's own deadlines far away.
func serveSlow(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ReadTimeout, server.Config.ReadHeaderTimeout = 10*time.Minute, 10*time.Minute
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// withPages gives the server a sandbox and a dashboard that read what they are sent.
func withPages(c *config) {
	c.Demo, c.BodyTimeout = true, 100*time.Millisecond
	reads := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	})
	c.Pages.Sandbox, c.Pages.Dashboard = reads, reads
}

// raw sends the text on a connection of its own and goes on with more until the connection ends. It gives everything that came back.
func raw(t *testing.T, addr, text string, more func(conn net.Conn) error) (status int, closes bool) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute))) // Far beyond what is waited for.
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	if more != nil {
		go func() {
			for more(conn) == nil {
			}
		}()
	}
	answers := bufio.NewReader(conn)
	res, err := http.ReadResponse(answers, nil)
	require.NoError(t, err, "an answer")
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	_, err = answers.ReadByte()
	require.Error(t, err, "the connection ends")
	if timeout, ok := err.(net.Error); ok { //nolint:errorlint // It is what net gives.
		require.False(t, timeout.Timeout(), "the connection ends")
	}
	return res.StatusCode, res.Close
}

// A body that stops arriving, or trickles, is answered with 408 at the deadline and ends its connection: whichever route it is for,
// whoever sends it and in whichever form.
func TestSlowBody_IsAnsweredAndEndsItsConnectionOnEveryRoute(t *testing.T) {
	t.Parallel()
	b := setup(t, withPages)
	addr := serveSlow(t, b.server)
	trickle := func(piece string) func(net.Conn) error {
		return func(conn net.Conn) error {
			<-time.After(10 * time.Millisecond) // How slow the client is; nothing is waited for.
			_, err := io.WriteString(conn, piece)
			return err
		}
	}
	for _, route := range []struct{ as, line string }{
		{"", "POST /api/invitations/accept"},
		{doctor, "POST /api/invitations/accept"},
		{doctor, "POST /api/ehr/lab-reports"},
		{"", "POST /api/ehr/lab-reports"},
		{doctor, "GET /api/me"},
		{doctor, "POST /api/socket/tickets"},
		{doctor, "GET /api/socket"},
		{"", "POST /api/events"},
		{"", "POST /login"},
		{"", "POST /logout"},
		{"", "GET /livez"},
		{"", "GET /metrics"},
		{"", "POST /sandbox/faults"},
		{operator, "POST /admin/river/api/jobs/retry"},
		{"", "POST /admin/river/api/jobs/retry"},
		{"", "POST /nothing/there"},
		{"", "BREW /api/me"},
		{"", "GET /openapi.yaml"},
	} {
		head := route.line + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
		if route.as != "" {
			head += "Authorization: Bearer " + b.token(route.as) + "\r\n"
		}
		for name, try := range map[string]struct {
			text string
			more func(net.Conn) error
		}{
			"silence":         {head + "Content-Length: 100\r\n\r\n" + `{"t`, nil},
			"nothing at all":  {head + "Content-Length: 100\r\n\r\n", nil},
			"a trickle":       {head + "Content-Length: 90000\r\n\r\n{", trickle(" ")},
			"half a chunk":    {head + "Transfer-Encoding: chunked\r\n\r\n50\r\n" + `{"t`, nil},
			"chunks that end": {head + "Transfer-Encoding: chunked\r\n\r\n", trickle("1\r\n \r\n")},
		} {
			t.Run(route.as+" "+route.line+" "+name, func(t *testing.T) {
				t.Parallel()
				status, closes := raw(t, addr, try.text, try.more)
				require.Equal(t, http.StatusRequestTimeout, status)
				require.True(t, closes, "Connection: close")
			})
		}
	}
}

// A refusal that needs no body keeps the connection where the body came, and asks nobody for one who waits to be asked.
func TestUnreadBody_KeepsTheConnectionOnlyWhenItCame(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *config) { c.BodyTimeout = time.Minute })
	addr := serveSlow(t, b.server)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	answers := bufio.NewReader(conn)
	for range 3 {
		_, err = fmt.Fprintf(conn, "POST /api/ehr/lab-reports HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
		require.NoError(t, err)
		res, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, res.Body)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusUnauthorized, res.StatusCode)
		require.False(t, res.Close)
	}
	status, _ := raw(t, addr, "POST /api/ehr/lab-reports HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", nil)
	require.Equal(t, http.StatusUnauthorized, status)
}
