package notifytest

import (
	"bufio"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/template"
)

// benchAnswer accepts a message in the form of every provider, and a request for an access token.
const benchAnswer = `{"MessageId":"bench","messages":[{"id":"bench"}],"name":"projects/bench/messages/1","access_token":"bench","token_type":"Bearer","expires_in":3600}`

// Benchmark measures one message of the channel, with the built-in text, through the Notifier of the
// URL to an HTTP server on this machine. The server allocates nothing for a request, so that the
// allocations are those of the Notifier and of net/http's client.
func Benchmark(b *testing.B, channel string, factory func(url string) notify.Notifier) {
	b.Helper()
	m := TestMessage(channel)
	set, err := template.Default()
	require.NoError(b, err)
	content, err := set.Render("clinical", channel, "en", template.DataFor(m.Type, m.Priority, m.Link, "Demo Clinic"))
	require.NoError(b, err)
	m.Subject, m.Text, m.HTML, m.Title, m.Body, m.Rich = content.Subject, content.Text, content.HTML, content.Title, content.Body, content.Rich
	n := factory(serveAnswers(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Notify(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}

// serveAnswers serves benchAnswer for every request until the benchmark ends.
func serveAnswers(b *testing.B) (url string) {
	b.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	var serving sync.WaitGroup
	done := make(chan struct{})
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { answer(conn) })
			serving.Go(func() {
				<-done
				_ = conn.Close()
			})
		}
	})
	b.Cleanup(func() {
		_ = l.Close()
		close(done)
		serving.Wait()
	})
	return "http://" + l.Addr().String()
}

// answer answers the requests of a connection, whose bodies have a Content-Length, until it is closed.
func answer(conn net.Conn) {
	response := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(benchAnswer)) + "\r\n\r\n" + benchAnswer)
	r := bufio.NewReaderSize(conn, 32<<10)
	for {
		length := 0
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) <= 2 {
				break
			}
			if rest, ok := strings.CutPrefix(strings.ToLower(string(line)), "content-length:"); ok {
				length, _ = strconv.Atoi(strings.TrimSpace(rest))
			}
		}
		if _, err := io.CopyN(io.Discard, r, int64(length)); err != nil {
			return
		}
		if _, err := conn.Write(response); err != nil {
			return
		}
	}
}
