package httpapi

import (
	"bufio"
	"net"
	"net/http"
)

// hijackTracker records that a connection was hijacked, so that nothing is answered on it.
type hijackTracker struct {
	Response http.ResponseWriter
	info     *requestInfo
}

// Header implements http.ResponseWriter.
func (w *hijackTracker) Header() http.Header { return w.Response.Header() }

// Write implements http.ResponseWriter.
func (w *hijackTracker) Write(p []byte) (int, error) { return w.Response.Write(p) }

// WriteHeader implements http.ResponseWriter.
func (w *hijackTracker) WriteHeader(status int) { w.Response.WriteHeader(status) }

// Unwrap returns the underlying writer, for http.ResponseController.
func (w *hijackTracker) Unwrap() http.ResponseWriter { return w.Response }

// Hijack implements http.Hijacker.
func (w *hijackTracker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(w.Response).Hijack()
	w.info.hijacked = err == nil
	return conn, buffers, err
}

// TrackHijack returns the writer for a handler that hijacks the connection. The server does not
// answer on it afterwards.
func TrackHijack(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	return &hijackTracker{Response: w, info: infoOf(r.Context())}
}
