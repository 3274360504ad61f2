package realtime

import (
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
func (f *frame) size(from, to string) int { return fixedBytes + len(from) + len(to) + f.bytes }

// encode writes the frame without encoding/json: the events are JSON already, and a cursor has no
// character that JSON escapes.
func (f *frame) encode(from, to string) []byte {
	b := make([]byte, 0, f.size(from, to))
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
	return append(b, `]}`...)
}
