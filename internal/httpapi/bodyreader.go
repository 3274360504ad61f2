package httpapi

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
)

const (
	// maxBody is the largest body that is read, in bytes.
	maxBody = 1 << 20
	// maxSmallBody is the largest body of those who have shown no more than a sign-in, in bytes.
	maxSmallBody = 4 << 10
	// drainLarge is how much more of a body that is too large is read and thrown away, in bytes.
	drainLarge = 8 << 20
	// drainUnread is how much is read and thrown away of a body that no handler looked at, in bytes. It is net/http's own measure
	// (maxPostHandlerReadBytes).
	drainUnread = 256 << 10
	// bodyTimeout is how long a client may take to send its body. A body of 1 MiB then needs 70 KB/s.
	bodyTimeout = 15 * time.Second
)

// A body that does not arrive must not hold its connection. The rules, which hold on every route and for every way to send a body:
//
//   - Before a body is read, the connection gets a deadline for all of it: bytes that trickle in do not move it.
//   - Only a body that was read to its end has the deadline replaced, and by the server's own, never by none: net/http reads what is
//     left of a body before it answers, and the server's watch for a client that hangs up reads on the same connection.
//   - What was not read to its end is answered with Connection: close, and with 408 where the time was up.

// bodyReader reads the body of one request.
type bodyReader struct {
	w       http.ResponseWriter
	r       *http.Request
	begun   time.Time
	timeout time.Duration
	// done says that the body was read to its end, or that there is none.
	done bool
}

// hasBody reports whether the request says that a body follows.
func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// arm sets the deadline. Not every writer has a connection (tests): then there is nothing to limit.
func (b *bodyReader) arm() {
	_ = http.NewResponseController(b.w).SetReadDeadline(time.Now().Add(b.timeout))
}

// finished replaces the deadline by that of the server (http.Server.ReadTimeout, counted from the request's beginning).
func (b *bodyReader) finished() {
	b.done = true
	deadline := time.Time{}
	if server, ok := b.r.Context().Value(http.ServerContextKey).(*http.Server); ok && server.ReadTimeout > 0 {
		deadline = b.begun.Add(server.ReadTimeout)
	}
	_ = http.NewResponseController(b.w).SetReadDeadline(deadline)
}

// read reads the whole body, of at most so many bytes.
func (b *bodyReader) read(limit int64) ([]byte, error) {
	b.arm()
	body, err := io.ReadAll(io.LimitReader(b.r.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		// Many clients look for the answer only when they have sent everything: let them, within reason.
		_, err = io.CopyN(io.Discard, b.r.Body, drainLarge)
		if b.leave(err); !isTimeout(err) {
			return nil, tooLarge(limit)
		}
	}
	if err != nil {
		b.leave(err)
		return nil, bodyReadError(err)
	}
	b.finished()
	return body, nil
}

// drain reads and throws away a body that nobody looked at, as net/http would, so that the connection can be used again. The
// error is that of a body that did not arrive in time.
func (b *bodyReader) drain() error {
	if b.r.Header.Get("Expect") != "" {
		// To read would ask the client for the body (RFC 9110, section 10.1.1).
		_ = http.NewResponseController(b.w).SetReadDeadline(time.Now())
		b.leave(nil)
		return nil
	}
	b.arm()
	_, err := io.CopyN(io.Discard, b.r.Body, drainUnread)
	b.leave(err)
	if isTimeout(err) {
		return bodyReadError(err)
	}
	return nil
}

// leave stops reading. A connection on which something of the body may still come is closed after the answer.
func (b *bodyReader) leave(err error) {
	if errors.Is(err, io.EOF) {
		b.finished()
		return
	}
	b.done = true
	b.w.Header().Set("Connection", "close")
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

func bodyReadError(err error) error {
	if isTimeout(err) {
		return newProblem(http.StatusRequestTimeout, codeRequestTimeout, "the body did not arrive in time")
	}
	return care.Errorf(care.Malformed, "the body ended before it was complete")
}

// readBody reads and checks the JSON body of a request, of one of the media types, before anything else looks at it.
func (s *Server) readBody(c *echo.Context, limit int64, accepted ...string) ([]byte, error) {
	r := c.Request()
	if err := checkContentType(r.Header.Get("Content-Type"), accepted); err != nil {
		return nil, err
	}
	if !hasBody(r) {
		return nil, checkBody(nil)
	}
	body, err := s.bodyOf(c).read(limit)
	if err != nil {
		return nil, err
	}
	return body, checkBody(body)
}

// bodyOf gives the reader of the request's body.
func (s *Server) bodyOf(c *echo.Context) *bodyReader {
	i := infoOf(c.Request().Context())
	if i.body.r == nil {
		i.body = bodyReader{w: c.Response(), r: c.Request(), begun: i.begun, timeout: s.cfg.BodyTimeout}
	}
	return &i.body
}

// bodyFirst reads the body before the handler runs, which gets it from memory: for routes that do not read it by readBody.
func (s *Server) bodyFirst(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		r := c.Request()
		if hasBody(r) {
			body, err := s.bodyOf(c).read(maxBody)
			if err != nil {
				return err
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		return next(c)
	}
}

// bodyLast throws a body away that nobody read as the request was refused before. It gives the error to answer with.
func (s *Server) bodyLast(c *echo.Context, refusal error) error {
	if !hasBody(c.Request()) {
		return refusal
	}
	if b := s.bodyOf(c); !b.done {
		if err := b.drain(); err != nil {
			return err
		}
	}
	return refusal
}

// WithBodies reads each request's body, of at most so many bytes, before the handler runs. It holds the rules above for a server of
// its own. A timeout of 0 is the API's.
func WithBodies(next http.Handler, limit int64, timeout time.Duration) http.Handler {
	if timeout == 0 {
		timeout = bodyTimeout
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hasBody(r) {
			b := &bodyReader{w: w, r: r, begun: time.Now(), timeout: timeout}
			body, err := b.read(limit)
			if p, ok := errors.AsType[*Problem](err); ok {
				writeProblem(w, r, p)
				return
			}
			if refusal, ok := errors.AsType[*care.Error](err); ok {
				writeProblem(w, r, problemOfRefusal(refusal))
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		next.ServeHTTP(w, r)
	})
}
