package realtime

import (
	"net"
	"os"
	"syscall"
	"time"
)

// conn is a socket's connection, which sends a small frame at once if the network accepts it without
// a wait. Waking another goroutine for it takes as long as the write. Whatever else is written, by
// the WebSocket library, waits for the end of such a frame.
type conn struct {
	net.Conn

	// raw is nil if the connection is not TCP.
	raw syscall.RawConn
	// writing has an element while a goroutine writes.
	writing chan struct{}
	// deadline is that of the library's next write, which it sets and reads under a lock of its own.
	deadline time.Time
	// closed reports that a close frame was sent, after which no other frame may follow (RFC 6455,
	// section 5.5.1).
	closed bool
}

// closeFrame is the first byte of a close frame.
const closeFrame = 0x88

// newConn returns a conn that writes to the metered connection, and reads from it. under is the
// connection below the meter.
func newConn(metered, under net.Conn) *conn {
	c := &conn{Conn: metered, writing: make(chan struct{}, 1)}
	if tcp, ok := under.(*net.TCPConn); ok {
		c.raw, _ = tcp.SyscallConn() // An error means that it is closed.
	}
	return c
}

// try writes as much of the frame as the network accepts at once. It returns false if that is
// nothing. If a rest is left, finish must be called with it, and every other write waits for that.
func (c *conn) try(frame []byte) (rest []byte, ok bool) {
	if c == nil || c.raw == nil {
		return nil, false
	}
	select {
	case c.writing <- struct{}{}:
	default:
		return nil, false
	}
	n := 0
	if !c.closed {
		// The library finds out about an error when it writes the frame.
		_ = c.raw.Write(func(fd uintptr) bool {
			n, _ = syscall.Write(int(fd), frame)
			return true
		})
	}
	if n <= 0 || n == len(frame) {
		<-c.writing
		return nil, n > 0
	}
	return frame[n:], true
}

// finish writes the rest of a frame that try has begun, in at most the given time.
func (c *conn) finish(rest []byte, wait time.Duration) error {
	defer func() { <-c.writing }()
	return c.writeUntil(time.Now().Add(wait), rest)
}

// writeUntil writes all of p, and leaves no deadline behind, which try would take for its own.
func (c *conn) writeUntil(deadline time.Time, p []byte) error {
	if err := c.Conn.SetWriteDeadline(deadline); err != nil {
		return err //nolint:wrapcheck // Like the connection.
	}
	if _, err := c.Conn.Write(p); err != nil {
		return err //nolint:wrapcheck // Like the connection.
	}
	return c.Conn.SetWriteDeadline(time.Time{}) //nolint:wrapcheck // Like the connection.
}

// SetWriteDeadline sets the deadline of the next Write, which includes its wait for another one.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.deadline = t
	return nil
}

// Write writes p once no other goroutine writes.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.await(); err != nil {
		return 0, err
	}
	defer func() { <-c.writing }()
	c.closed = c.closed || len(p) > 0 && p[0] == closeFrame
	if err := c.writeUntil(c.deadline, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// await waits until no other goroutine writes, or until the deadline.
func (c *conn) await() error {
	select {
	case c.writing <- struct{}{}:
		return nil
	default:
	}
	var late <-chan time.Time
	if !c.deadline.IsZero() {
		late = time.After(time.Until(c.deadline))
	}
	select {
	case c.writing <- struct{}{}:
		return nil
	case <-late:
		return os.ErrDeadlineExceeded
	}
}
