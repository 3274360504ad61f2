package body

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"carewire/internal/care"
	"carewire/internal/httpapi/problem"
)

const (
	// Max is the largest body that is read, in bytes.
	Max = 1 << 20
	// MaxSmall is the largest body of a caller with a valid token but no account, in bytes.
	MaxSmall = 4 << 10
	// drainLarge is the number of bytes of a body that is too large that are discarded after
	// Max.
	drainLarge = 8 << 20
	// drainUnread is the number of bytes that are discarded of a body that no handler read. It is
	// the limit of net/http (maxPostHandlerReadBytes).
	drainUnread = 256 << 10
	// maxAhead bounds the memory that is allocated for a Content-Length before the body arrives, in bytes.
	maxAhead = 64 << 10
	// DefaultTimeout is the time that a client has to send its body. A body of 1 MiB then needs 70
	// KB/s.
	DefaultTimeout = 15 * time.Second
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

// Reader reads the body of one request.
type Reader struct {
	w       http.ResponseWriter
	r       *http.Request
	begun   time.Time
	timeout time.Duration
	// done is true after the body was read to its end or given up.
	done bool
}

// NewReader returns the reader of a request's body. begun is when the request arrived; timeout is
// the time that the client has to send the body.
func NewReader(w http.ResponseWriter, r *http.Request, begun time.Time, timeout time.Duration) *Reader {
	return &Reader{w: w, r: r, begun: begun, timeout: timeout}
}

// hasBody reports whether the request has a body.
func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// arm sets the deadline. A writer without a connection (in tests) has nothing to limit.
func (b *Reader) arm() {
	_ = http.NewResponseController(b.w).SetReadDeadline(time.Now().Add(b.timeout))
}

// finished replaces the deadline by that of the server (http.Server.ReadTimeout, counted from the
// start of the request).
func (b *Reader) finished() {
	b.done = true
	deadline := time.Time{}
	if server, ok := b.r.Context().Value(http.ServerContextKey).(*http.Server); ok && server.ReadTimeout > 0 {
		deadline = b.begun.Add(server.ReadTimeout)
	}
	_ = http.NewResponseController(b.w).SetReadDeadline(deadline)
}

// Read returns the whole body, of at most limit bytes.
func (b *Reader) Read(limit int64) ([]byte, error) {
	if err := checkContentEncoding(b.r.Header); err != nil {
		return nil, err
	}
	b.arm()
	var all bytes.Buffer
	all.Grow(int(min(max(b.r.ContentLength, 0), limit, maxAhead)) + bytes.MinRead)
	_, err := all.ReadFrom(io.LimitReader(b.r.Body, limit+1))
	body := all.Bytes()
	if err == nil && int64(len(body)) > limit {
		// Many clients read the answer only after they have sent everything. Let them, up to
		// drainLarge.
		_, err = io.CopyN(io.Discard, b.r.Body, drainLarge)
		if b.leave(err); !isTimeout(err) {
			return nil, problem.TooLarge(limit)
		}
	}
	if err != nil {
		b.leave(err)
		return nil, readError(err)
	}
	b.finished()
	return body, nil
}

// drain discards a body that was not read, as net/http does, so that the connection can be reused.
// It returns the error of a body that did not arrive in time.
func (b *Reader) drain() error {
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
		return readError(err)
	}
	return nil
}

// leave stops reading. A connection with unread parts of the body is closed after the answer.
func (b *Reader) leave(err error) {
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

func readError(err error) error {
	if isTimeout(err) {
		return problem.New(http.StatusRequestTimeout, problem.CodeRequestTimeout, "the body did not arrive in time")
	}
	return care.Errorf(care.Malformed, "the body is incomplete")
}

// ReadJSON returns the JSON body, of at most limit bytes and of one of the accepted media types,
// after its checks.
func (b *Reader) ReadJSON(limit int64, accepted ...string) ([]byte, error) {
	if err := checkContentType(b.r.Header.Get("Content-Type"), accepted); err != nil {
		return nil, err
	}
	if !hasBody(b.r) {
		return nil, Check(nil)
	}
	body, err := b.Read(limit)
	if err != nil {
		return nil, err
	}
	return body, Check(body)
}

// Buffer replaces the request's body by one in memory, for handlers that read it themselves.
func (b *Reader) Buffer(limit int64) error {
	if !hasBody(b.r) {
		return nil
	}
	body, err := b.Read(limit)
	if err != nil {
		return err
	}
	b.r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// Discard discards the body of a request that was refused before its body was read. It returns the
// error to answer with.
func (b *Reader) Discard(refusal error) error {
	if !hasBody(b.r) || b.done {
		return refusal
	}
	if err := b.drain(); err != nil {
		return err
	}
	return refusal
}

// Buffered reads each request's body, of at most limit bytes, into memory before the handler
// runs. It applies the rules above to a handler that is not behind an httpapi.Server. A timeout of 0
// means DefaultTimeout.
func Buffered(next http.Handler, limit int64, timeout time.Duration) http.Handler {
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := NewReader(w, r, time.Now(), timeout).Buffer(limit)
		if p, ok := errors.AsType[*problem.Problem](err); ok {
			problem.Write(w, r, p)
			return
		}
		if refusal, ok := errors.AsType[*care.Error](err); ok {
			problem.Write(w, r, problem.OfRefusal(refusal))
			return
		}
		next.ServeHTTP(w, r)
	})
}
