package realtime

import (
	"encoding/json"
	"sync"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
)

// entry is one event as all sessions share it: what decides who sees it, and its JSON, made when the first needs it.
type entry struct {
	event  event.Event
	person uuid.UUID // Zero for none, as clinic.
	clinic uuid.UUID
	// conversation is the one in whose room the event is shown; zero for none.
	conversation uuid.UUID
	// decl is nil for a type that this binary does not know: it cannot tell who may see it, so nobody does.
	decl *event.Declaration
	// personSees says that the person whom it is about may see it.
	personSees bool
	change     *change

	bodyOnce   sync.Once
	body       []byte
	cursorOnce sync.Once
	cursor     string
}

// change is what an event does to somebody's rights: mostly the person's whom it is about, for a care team the member's.
type change struct {
	kind changeKind
	user uuid.UUID
	// membership is what was granted or revoked.
	membership care.Membership
	// patient and clinic say which care team was joined or left.
	patient, clinic uuid.UUID
	// conversation is the one that was left.
	conversation uuid.UUID
}

type changeKind int

const (
	granted changeKind = iota
	revoked
	disabled
	joined
	left
	leftConversation
)

func newEntry(e event.Event) (*entry, error) {
	n := &entry{event: e}
	n.decl, _ = event.Lookup(e.Type)
	n.personSees = e.PersonMaySee()
	if e.PersonID != nil {
		n.person = *e.PersonID
	}
	if e.ClinicID != nil {
		n.clinic = *e.ClinicID
	}
	n.conversation, _ = e.Conversation()
	var err error
	n.change, err = changeOf(n)
	return n, err
}

// changeOf gives what the event does to rights, nil for nothing.
func changeOf(n *entry) (*change, error) {
	kind, ok := changing[n.event.Type]
	if !ok {
		return nil, nil //nolint:nilnil // Most events change nothing.
	}
	if kind == disabled || kind == leftConversation {
		return &change{kind: kind, user: n.person, conversation: n.conversation}, nil
	}
	data, err := n.event.Decode()
	if err != nil {
		return nil, err
	}
	if team, ok := data.(event.CareTeam); ok {
		return &change{kind: kind, user: team.MemberID, patient: team.UserID, clinic: team.ClinicID}, nil
	}
	m := data.(event.Membership)
	return &change{kind: kind, user: n.person, membership: care.Membership{ClinicID: m.ClinicID, Role: care.Role(m.Role)}}, nil
}

// changing are the types that change rights.
var changing = map[string]changeKind{
	"user.disabled": disabled, "membership.granted": granted, "membership.revoked": revoked, "care_team.joined": joined, "care_team.left": left,
	"chat.participant_left": leftConversation,
}

func (e *entry) position() int64 { return e.event.Position }

// json gives the event's CloudEvents form.
func (e *entry) json() []byte {
	e.bodyOnce.Do(func() {
		body, err := json.Marshal(e.event)
		if err != nil {
			body = []byte("null") // The ledger's data is a jsonb object: it always marshals.
		}
		e.body = body
	})
	return e.body
}

// at gives the cursor that stands behind the event.
func (e *entry) at(codec *ledger.Codec) string {
	e.cursorOnce.Do(func() { e.cursor = codec.Encode(ledger.CursorOf(e.event)) })
	return e.cursor
}

// ring holds the last events of the ledger, without a gap.
type ring struct {
	mu      sync.RWMutex
	entries []*entry
	first   int64 // The oldest position held; head+1 when there is none.
	head    ledger.Cursor
}

func newRing(size int) *ring { return &ring{entries: make([]*entry, size), first: 1} }

// reset empties the ring; the next event is expected right after head.
func (r *ring) reset(head ledger.Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.entries)
	r.first, r.head = head.Position+1, head
}

func (r *ring) append(batch []*entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := int64(len(r.entries))
	for _, e := range batch {
		p := e.position()
		if p != r.head.Position+1 {
			// A new epoch may leave a gap. Who is behind it pages.
			clear(r.entries)
			r.first = p
		}
		r.entries[p%size] = e
		r.head = ledger.CursorOf(e.event)
		r.first = max(r.first, p-size+1)
	}
}

// after copies the events behind the position into buf and tells how many. It is false when the ring does not reach back
// so far.
func (r *ring) after(position int64, buf []*entry) (int, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if position >= r.head.Position {
		return 0, true
	}
	if position+1 < r.first {
		return 0, false
	}
	n := min(len(buf), int(r.head.Position-position))
	size := int64(len(r.entries))
	for i := range n {
		buf[i] = r.entries[(position+1+int64(i))%size]
	}
	return n, true
}

// restate says which cursor stands behind the last event: a new epoch that has no event yet makes another one.
func (r *ring) restate(head ledger.Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.head.Position == head.Position {
		r.head = head
	}
}

// span tells how many events are held and the oldest's position; 0 and 0 when there are none.
func (r *ring) span() (events, oldest int64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.first > r.head.Position {
		return 0, 0
	}
	return r.head.Position - r.first + 1, r.first
}

// newest gives the cursor behind the last event.
func (r *ring) newest() ledger.Cursor {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.head
}
