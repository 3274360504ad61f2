package httpapi

import (
	"bufio"
	"net"
	"net/http"
)

// hijackTracker notes when a connection stops being HTTP, so that nobody tries to answer on it.
type hijackTracker struct {
	Response http.ResponseWriter
	info     *requestInfo
}

// Header gives the answer's headers.
func (w *hijackTracker) Header() http.Header { return w.Response.Header() }

// Write writes to the answer's body.
func (w *hijackTracker) Write(p []byte) (int, error) { return w.Response.Write(p) }

// WriteHeader sends the answer's status.
func (w *hijackTracker) WriteHeader(status int) { w.Response.WriteHeader(status) }

// Unwrap gives the writer below; http.ResponseController asks for it.
func (w *hijackTracker) Unwrap() http.ResponseWriter { return w.Response }

// Hijack takes the connection over.
func (w *hijackTracker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(w.Response).Hijack()
	w.info.hijacked = err == nil
	return conn, buffers, err
}

// TrackHijack returns the writer of a handler that may take the connection over: nothing is answered on it afterwards.
func TrackHijack(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	return &hijackTracker{Response: w, info: infoOf(r.Context())}
}
