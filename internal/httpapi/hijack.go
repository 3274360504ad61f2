package httpapi

import (
	"bufio"
	"net"
	"net/http"
)

// hijackNoticer notes when a connection stops being HTTP, so that nobody tries to answer on it.
type hijackNoticer struct {
	Response http.ResponseWriter
	info     *info
}

// Header gives the answer's headers.
func (w *hijackNoticer) Header() http.Header { return w.Response.Header() }

// Write writes to the answer's body.
func (w *hijackNoticer) Write(p []byte) (int, error) { return w.Response.Write(p) }

// WriteHeader sends the answer's status.
func (w *hijackNoticer) WriteHeader(status int) { w.Response.WriteHeader(status) }

// Unwrap gives the writer below; http.ResponseController asks for it.
func (w *hijackNoticer) Unwrap() http.ResponseWriter { return w.Response }

// Hijack takes the connection over.
func (w *hijackNoticer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(w.Response).Hijack()
	w.info.hijacked = err == nil
	return conn, buffers, err
}
