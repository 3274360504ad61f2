// Package framelimit limits the frames that a WebSocket client may send, including those that a
// WebSocket library answers or drops by itself, such as pings, pongs and empty fragments.
package framelimit

import (
	"encoding/binary"
	"errors"
	"net"

	"golang.org/x/time/rate"
)

// errFlood ends reading from a client that sent too many frames.
var errFlood = errors.New("too many frames")

// meter counts the frames from a client before they are processed, including those that are
// answered below Melody or dropped there, such as pings, pongs and empty fragments (RFC 6455,
// section 5.2). It parses the header of each frame as it is read.
type meter struct {
	limiter *rate.Limiter
	// exceeded is called once, for the first frame over the limit. control reports whether it is a
	// control frame.
	exceeded func(control bool)

	header [maxHeader]byte
	have   int    // Bytes of the header so far.
	skip   uint64 // Bytes of the payload to come.
	over   bool
}

// maxHeader is the longest header of a frame: two bytes, the length in eight and the mask in four.
const maxHeader = 14

// read counts the frames in p and reports whether p may be processed.
func (m *meter) read(p []byte) bool {
	for len(p) > 0 && !m.over {
		if m.skip > 0 {
			n := min(m.skip, uint64(len(p)))
			m.skip, p = m.skip-n, p[n:]
			continue
		}
		m.header[m.have] = p[0]
		m.have, p = m.have+1, p[1:]
		if size, whole := m.payload(); whole {
			control := m.header[0]&0x08 != 0
			m.have, m.skip = 0, size
			if !m.limiter.Allow() {
				m.over = true
				m.exceeded(control)
			}
		}
	}
	return !m.over
}

// payload returns the size of the frame's payload if its header is complete.
func (m *meter) payload() (size uint64, whole bool) {
	if m.have < 2 {
		return 0, false
	}
	length, end := m.header[1]&0x7f, 2
	switch length {
	case 126:
		end += 2
	case 127:
		end += 8
	}
	lengthEnd := end
	if m.header[1]&0x80 != 0 {
		end += 4 // The mask.
	}
	if m.have < end {
		return 0, false
	}
	switch length {
	case 126:
		return uint64(binary.BigEndian.Uint16(m.header[2:lengthEnd])), true
	case 127:
		return binary.BigEndian.Uint64(m.header[2:lengthEnd]), true
	default:
		return uint64(length), true
	}
}

// conn is a connection with a meter.
type conn struct {
	net.Conn
	meter
}

// Read reads from the connection until the client has sent too many frames.
func (c *conn) Read(p []byte) (int, error) {
	if c.over {
		return 0, errFlood
	}
	n, err := c.Conn.Read(p)
	if !c.read(p[:n]) {
		return 0, errFlood
	}
	return n, err //nolint:wrapcheck // Like the connection.
}

// Wrap returns the connection with a limit on the frames that the peer sends. When a frame exceeds
// the limit, Wrap calls exceeded once, with whether it is a control frame, and ends reading with an
// error.
func Wrap(c net.Conn, limiter *rate.Limiter, exceeded func(control bool)) net.Conn {
	return &conn{c, meter{limiter: limiter, exceeded: exceeded}}
}
