package realtime

import (
	"bytes"
	"encoding/json"
	"sync"

	"github.com/google/uuid"

	"carewire/internal/event"
	"carewire/internal/ledger"
)

// entry is one event as all sessions share it: what decides who sees it, and its JSON, made when the first needs it. Of an event
// that no room may show, only its place in the ledger and what it does to rights are kept.
type entry struct {
	place  ledger.Cursor // Right behind the event.
	person uuid.UUID     // Zero for none, as clinic.
	clinic uuid.UUID
	// conversation is the one in whose room the event is shown; zero for none.
	conversation uuid.UUID
	// message is the number of the conversation's message that was written; zero for any other event.
	message int64
	// decl is nil for a type that this binary does not know: it cannot tell who may see it, so nobody does.
	decl *event.Declaration
	// personSees says that the person whom it is about may see it.
	personSees bool
	// unreadable says that the event cannot be read whole: nobody sees it.
	unreadable bool
	change     *change
	// size is about how many bytes of memory the entry takes, at most.
	size int

	bodyOnce   sync.Once
	event      *event.Event // Until the body is made; nil where nobody may see it.
	body       []byte
	cursorOnce sync.Once
	cursor     string
}

const (
	// entryBytes is about what an entry takes besides its texts: itself, its cursor, the slot in a ring or window.
	entryBytes = 400
	// envelopeBytes is about what an event or its JSON takes besides its texts and data, whichever is more.
	envelopeBytes = 600
)

// newEntry makes the entry of an event. The error says that the event changes rights in a way that cannot be read: the entry is
// good and its change is unreadable.
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

// shown reports whether there is a room in which somebody may see the event.
func (e *entry) shown() bool {
	if e.decl == nil || e.unreadable {
		return false
	}
	return e.conversation != uuid.Nil || (e.personSees && e.person != uuid.Nil) || (len(e.decl.Roles) > 0 && e.clinic != uuid.Nil)
}

// textBytes is how many bytes the event's texts and data take in JSON at most.
func textBytes(e *event.Event) int {
	n := len(e.Type) + len(e.Source) + len(e.Subject) + len(e.ActorID) + len(e.ActorRole) + len(e.Data)
	for _, text := range []*string{e.CorrelationID, e.Traceparent} {
		if text != nil {
			n += len(*text)
		}
	}
	// encoding/json writes these as six bytes each, and U+2028 and U+2029, which begin with 0xE2, instead of three.
	for _, c := range []byte("<>&\xe2") {
		n += 5 * bytes.Count(e.Data, []byte{c})
	}
	return n
}

func (e *entry) position() int64 { return e.place.Position }

// json returns the event's CloudEvents form; nil where it has none, as when its year has five digits: nobody is shown it.
func (e *entry) json() []byte {
	e.bodyOnce.Do(func() {
		if e.event == nil {
			return
		}
		if body, err := json.Marshal(e.event); err == nil {
			e.body = body
		}
		e.event = nil
	})
	return e.body
}

// at returns the cursor that stands behind the event.
func (e *entry) at(codec *ledger.Codec) string {
	e.cursorOnce.Do(func() { e.cursor = codec.Encode(e.place) })
	return e.cursor
}
