package realtime

import (
	"bytes"
	"sync"

	"github.com/google/uuid"

	"carewire/internal/event"
	"carewire/internal/ledger"
)

// entry is one event, shared by all sessions: its visibility, and its JSON, which is created on
// first use. For an event that no room may show, only its position in the ledger and its change of
// rights are kept.
type entry struct {
	place  ledger.Cursor // Right behind the event.
	person uuid.UUID     // Zero for none, as clinic.
	clinic uuid.UUID
	// conversation is the one with the room that shows the event; zero for none.
	conversation uuid.UUID
	// message is the number of the created message of the conversation; zero for any other event.
	message int64
	// decl is nil for a type that this binary does not know. Its audience is unknown, so that no
	// session gets it.
	decl *event.Declaration
	// personSees reports whether the person that the event is about may see it.
	personSees bool
	// unreadable reports whether the event cannot be read completely: no session gets it.
	unreadable bool
	change     *change
	// size is an upper estimate of the entry's bytes in memory.
	size int

	bodyOnce   sync.Once
	event      *event.Event // Until the body is created; nil if no session may see the event.
	body       []byte
	cursorOnce sync.Once
	cursor     string
}

const (
	// entryBytes is the approximate size of an entry without its texts: the entry, its cursor, and
	// the slot in a ring or window.
	entryBytes = 400
	// envelopeBytes is the approximate size of an event or its JSON, whichever is larger, without
	// its texts and data.
	envelopeBytes = 600
)

// newEntry returns the entry of an event. If the event's change of rights is unreadable, it also
// returns an error; the entry is valid.
func newEntry(e event.Event) (*entry, error) {
	n := &entry{place: ledger.CursorOf(e), size: entryBytes}
	n.decl, _ = event.Lookup(e.Type)
	n.unreadable = e.Unreadable != ""
	n.personSees = e.PersonMaySee()
	if e.PersonID != nil {
		n.person = *e.PersonID
	}
	if e.ClinicID != nil {
		n.clinic = *e.ClinicID
	}
	n.conversation, _ = e.Conversation()
	if n.conversation != uuid.Nil && e.SubjectVersion != nil {
		n.message = *e.SubjectVersion
	}
	var err error
	n.change, err = changeOf(n, &e)
	if n.shown() {
		n.event = &e
		text := envelopeBytes + textBytes(&e)
		n.size += text + text/8 // The allocator rounds up.
	}
	return n, err
}

// shown reports whether a room exists in which the event may be seen.
func (e *entry) shown() bool {
	if e.decl == nil || e.unreadable {
		return false
	}
	return e.conversation != uuid.Nil || (e.personSees && e.person != uuid.Nil) || (len(e.decl.Roles) > 0 && e.clinic != uuid.Nil)
}

// textBytes returns the maximum size of the event's texts and data in JSON.
func textBytes(e *event.Event) int {
	n := len(e.Type) + len(e.Source) + len(e.Subject) + len(e.ActorID) + len(e.ActorRole) + len(e.Data)
	for _, text := range []*string{e.CorrelationID, e.Traceparent} {
		if text != nil {
			n += len(*text)
		}
	}
	// encoding/json writes these as six bytes each, and U+2028 and U+2029, which begin with 0xE2,
	// instead of three.
	for _, c := range []byte("<>&\xe2") {
		n += 5 * bytes.Count(e.Data, []byte{c})
	}
	return n
}

func (e *entry) position() int64 { return e.place.Position }

// encoding has buffers for events that are being encoded.
var encoding = sync.Pool{New: func() any { return new([]byte) }}

// json returns the event's CloudEvents form, or nil if no session may see it.
func (e *entry) json() []byte {
	e.bodyOnce.Do(func() {
		if e.event == nil {
			return
		}
		buf := encoding.Get().(*[]byte)
		*buf = e.event.AppendJSON((*buf)[:0])
		e.body = bytes.Clone(*buf) // Without spare capacity: the ring keeps it.
		encoding.Put(buf)
		e.event = nil
	})
	return e.body
}

// at returns the cursor right behind the event.
func (e *entry) at(codec *ledger.Codec) string {
	e.cursorOnce.Do(func() { e.cursor = codec.Encode(e.place) })
	return e.cursor
}
