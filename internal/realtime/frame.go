package realtime

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"carewire/internal/care"
)

// Close codes. Those from 4000 to 4999 are for private use (RFC 6455, section 7.4.2).
const (
	closeGoingAway    = 1001
	closePolicy       = 1008
	closeRestart      = 1012 // Reconnect with the last cursor (registered with IANA as "Service Restart").
	closeExpired      = 4401
	closeForbidden    = 4403
	closeRateExceeded = 4429
)

// reply is a frame from the server other than events.
type reply struct {
	Type   string `json:"type"`
	ID     string `json:"id,omitempty"`
	Room   string `json:"room,omitempty"`
	Cursor string `json:"cursor,omitempty"`
	Code   string `json:"code,omitempty"`
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func (r reply) encode() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("encode a %s frame: %v", r.Type, err)) // Strings only: it always marshals.
	}
	return b
}

// problem is the reason for refusing a client's message.
type problem struct {
	code, field, detail string
}

func invalid(field, detail string) *problem {
	return &problem{code: string(care.Invalid), field: field, detail: detail}
}

func (p *problem) reply(id, room string) reply {
	return reply{Type: "error", ID: id, Room: room, Code: p.code, Field: p.field, Detail: p.detail}
}

// frame collects the events of one frame. last is the last entry that was read, visible or not: the
// frame ends there.
type frame struct {
	last    *entry
	entries []*entry
	bytes   int
	// end is the position where the frame should end, because another session's frame from the same
	// cursor did; 0 for none.
	end int64
}

// add adds an event to the frame.
func (f *frame) add(e *entry) {
	f.entries = append(f.entries, e)
	f.bytes += len(e.body) + 1
}

// fixedBytes is the size of a frame without its cursors and events.
const fixedBytes = len(`{"type":"events","from":"","to":"","events":[]}`)

// size returns an upper bound of the encoded frame's size.
func (f *frame) size(from, to string) int {
	return maxFrameHeader + fixedBytes + len(from) + len(to) + f.bytes
}

// encoded is an encoded frame: its JSON, and the WebSocket frame of which that is the end.
type encoded struct{ json, wire []byte }

// maxFrameHeader is the longest header of a WebSocket frame from a server, which has no mask.
const maxFrameHeader = 10

// encode writes the frame without encoding/json: the events are JSON already, and a cursor has no
// character that JSON escapes.
func (f *frame) encode(from, to string) encoded {
	b := make([]byte, maxFrameHeader, f.size(from, to))
	b = append(b, `{"type":"events","from":"`...)
	b = append(b, from...)
	b = append(b, `","to":"`...)
	b = append(b, to...)
	b = append(b, `","events":[`...)
	for i, e := range f.entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e.body...)
	}
	b = append(b, `]}`...)
	return encoded{json: b[maxFrameHeader:], wire: frameWire(b)}
}

// frameWire writes the header of a WebSocket frame of text right before its payload, which begins at
// maxFrameHeader, and returns the whole frame (RFC 6455, section 5.2).
func frameWire(b []byte) []byte {
	const finalText = 0x81
	switch n := len(b) - maxFrameHeader; {
	case n < 126:
		b = b[maxFrameHeader-2:]
		b[1] = byte(n)
	case n < 1<<16:
		b = b[maxFrameHeader-4:]
		b[1] = 126
		binary.BigEndian.PutUint16(b[2:], uint16(n))
	default:
		b[1] = 127
		binary.BigEndian.PutUint64(b[2:], uint64(n))
	}
	b[0] = finalText
	return b
}
