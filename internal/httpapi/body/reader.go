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
	// maxSmallBody is the largest body of a caller with a valid token but no account, in bytes.
	maxSmallBody = 4 << 10
	// drainLarge is the number of bytes of a body that is too large that are discarded after
	// maxBody.
	drainLarge = 8 << 20
	// drainUnread is the number of bytes that are discarded of a body that no handler read. It is
	// the limit of net/http (maxPostHandlerReadBytes).
	drainUnread = 256 << 10
	// bodyTimeout is the time that a client has to send its body. A body of 1 MiB then needs 70
	// KB/s.
	bodyTimeout = 15 * time.Second
)

// A slow body must not hold its connection. These rules apply to every route and every encoding of
// a body:
//
//   - Before a body is read, the connection gets a deadline for the whole body: a trickle of bytes
//     does not extend it.
//   - Only after a body was read to its end is the deadline replaced, by that of the server, never
//     removed: net/http reads the rest of a body before it answers, and the server detects that a
//     client hung up by reading on the same connection.
//   - A body that was not read to its end is answered with Connection: close, and with 408 after
//     the deadline.

// bodyReader reads the body of one request.
type bodyReader struct {
	w       http.ResponseWriter
	r       *http.Request
	begun   time.Time
	timeout time.Duration
	// done is true after the body was read to its end or given up.
	done bool
}

// hasBody reports whether the request has a body.
func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// arm sets the deadline. A writer without a connection (in tests) has nothing to limit.
func (b *bodyReader) arm() {
	_ = http.NewResponseController(b.w).SetReadDeadline(time.Now().Add(b.timeout))
}

// finished replaces the deadline by that of the server (http.Server.ReadTimeout, counted from the
// start of the request).
func (b *bodyReader) finished() {
	b.done = true
	deadline := time.Time{}
	if server, ok := b.r.Context().Value(http.ServerContextKey).(*http.Server); ok && server.ReadTimeout > 0 {
		deadline = b.begun.Add(server.ReadTimeout)
	}
	_ = http.NewResponseController(b.w).SetReadDeadline(deadline)
}

// read returns the whole body, of at most limit bytes.
func (b *bodyReader) read(limit int64) ([]byte, error) {
	if err := checkContentEncoding(b.r.Header); err != nil {
		return nil, err
	}
	b.arm()
	body, err := io.ReadAll(io.LimitReader(b.r.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		// Many clients read the answer only after they have sent everything. Let them, up to
		// drainLarge.
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

// drain discards a body that was not read, as net/http does, so that the connection can be reused.
// It returns the error of a body that did not arrive in time.
func (b *bodyReader) drain() error {
	if b.r.Header.Get("Expect") != "" {
		// Reading would ask the client for the body (RFC 9110, section 10.1.1).
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

// leave stops reading. A connection with unread parts of the body is closed after the answer.
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
	return care.Errorf(care.Malformed, "the body is incomplete")
}

// readBody returns the JSON body of a request, of one of the accepted media types, after its
// checks.
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

// bodyOf returns the reader of the request's body.
func (s *Server) bodyOf(c *echo.Context) *bodyReader {
	i := infoOf(c.Request().Context())
	if i.body.r == nil {
		i.body = bodyReader{w: c.Response(), r: c.Request(), begun: i.begun, timeout: s.cfg.BodyTimeout}
	}
	return &i.body
}

// bodyFirst reads the body into memory before the handler runs, for routes that do not call
// readBody.
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

// bodyLast discards the body of a request that was refused before its body was read. It returns the
// error to answer with.
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

// WithBodies reads each request's body, of at most limit bytes, into memory before the handler
// runs. It applies the rules above to a handler that is not behind a Server. A timeout of 0 means
// that of the API.
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
