package body_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi/body"
)

// connect starts a server and sends the text on a connection to it.
func connect(t *testing.T, h http.Handler, readTimeout time.Duration, text string) net.Conn {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ReadTimeout, server.Config.ReadHeaderTimeout = readTimeout, readTimeout
	server.Start()
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	return conn
}

func TestBuffered_RestoresTheServersDeadlineAfterTheBody(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // The server ends the request at its deadline.
		close(ended)
		w.WriteHeader(http.StatusNoContent)
	})
	connect(t, body.Buffered(h, 100, time.Minute), 50*time.Millisecond, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the deadline was cleared")
	}
}

func TestBuffered_BoundsTheBytesAndTheTimeOfABody(t *testing.T) {
	t.Parallel()
	h := body.Buffered(http.NotFoundHandler(), 100, 50*time.Millisecond)
	for text, want := range map[string]int{
		"GET /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx":                                            http.StatusRequestTimeout,
		"GET /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n":                                      http.StatusRequestTimeout,
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 999\r\n\r\n" + strings.Repeat("x", 150):                      http.StatusRequestTimeout,
		"GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx":                       http.StatusNotFound,
		"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 200\r\n\r\n" + strings.Repeat("x", 200): http.StatusRequestEntityTooLarge,
	} {
		conn := connect(t, h, 10*time.Minute, text)
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute))) // Far beyond the timeout of the body.
		answers := bufio.NewReader(conn)
		res, err := http.ReadResponse(answers, nil)
		require.NoError(t, err, text[:40])
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, res.StatusCode, text[:40])
		_, err = answers.ReadByte()
		require.Error(t, err, "the connection ends")
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
}
