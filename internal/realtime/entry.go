package realtime

import (
	"bytes"
	"sync"

	"github.com/google/uuid"

	"carewire/internal/event"
	"carewire/internal/ledger"
)

// entry is one event, shared by all sessions: its visibility, and its JSON. For an event that no room
// may show, only its position in the ledger and its change of rights are kept.
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
	// body is the event's CloudEvents form; nil if no session may see the event. It is encoded at once:
	// the event itself would take as much memory, and its copy as much time.
	body []byte
	// size is an upper estimate of the entry's bytes in memory.
	size int

	cursorOnce sync.Once
	cursor     string
}

// entryBytes is the approximate size of an entry without its body: the entry, its cursor, and the
// slot in a ring or window.
const entryBytes = 400

// encoding has buffers for events that are being encoded.
var encoding = sync.Pool{New: func() any { return new([]byte) }}

// newEntry returns the entry of an event. If the event's change of rights is unreadable, it also
// returns an error; the entry is valid.
func newEntry(e *event.Event) (*entry, error) {
	n := &entry{place: ledger.CursorOf(*e), size: entryBytes}
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
	n.change, err = changeOf(n, e)
	if n.shown() {
		buf := encoding.Get().(*[]byte)
		*buf = e.AppendJSON((*buf)[:0])
		n.body = bytes.Clone(*buf) // The ring or window keeps it.
		n.size += cap(n.body)
		encoding.Put(buf)
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

func (e *entry) position() int64 { return e.place.Position }

// at returns the cursor right behind the event.
func (e *entry) at(codec *ledger.Codec) string {
	e.cursorOnce.Do(func() { e.cursor = codec.Encode(e.place) })
	return e.cursor
}
