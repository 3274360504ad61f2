package realtime

import (
	"encoding/json"
	"fmt"

	"carewire/internal/care"
)

// What closes a socket, besides RFC 6455's own codes. 4000 to 4999 are for private use (RFC 6455, section 7.4.2).
const (
	closeGoingAway    = 1001
	closePolicy       = 1008
	closeRestart      = 1012 // Connect again with the last cursor (registered with IANA as "Service Restart").
	closeExpired      = 4401
	closeForbidden    = 4403
	closeRateExceeded = 4429
)

// reply is every frame from the server but events.
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

// problem is why a client's message was refused, in words for its author.
type problem struct {
	code, field, detail string
}

func invalid(field, detail string) *problem {
	return &problem{code: string(care.Invalid), field: field, detail: detail}
}

func (p *problem) reply(id, room string) reply {
	return reply{Type: "error", ID: id, Room: room, Code: p.code, Field: p.field, Detail: p.detail}
}

// frame gathers the events of one frame. last is the last one looked at, seen or not: there the frame ends.
type frame struct {
	last    *entry
	entries []*entry
	bytes   int
}

// add puts an event into the frame. It is false for one that has no JSON.
func (f *frame) add(e *entry) bool {
	body := e.json()
	if body == nil {
		return false
	}
	f.entries = append(f.entries, e)
	f.bytes += len(body) + 1
	return true
}

// encode writes the frame by hand: the events are JSON already, and a cursor has no character that JSON escapes.
func (f *frame) encode(from, to string) []byte {
	const fixed = len(`{"type":"events","from":"","to":"","events":[]}`)
	b := make([]byte, 0, fixed+len(from)+len(to)+f.bytes)
	b = append(b, `{"type":"events","from":"`...)
	b = append(b, from...)
	b = append(b, `","to":"`...)
	b = append(b, to...)
	b = append(b, `","events":[`...)
	for i, e := range f.entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e.json()...)
	}
	return append(b, `]}`...)
}
