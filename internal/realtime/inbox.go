package realtime

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"carewire/internal/event"
	"carewire/internal/postgres"
)

// InboxCounts are the absolute counts of a person's inbox.
type InboxCounts struct{ Unread, Unseen int64 }

// countTimeout bounds one read of counts.
const countTimeout = 5 * time.Second

// counting lists the types of events after which the person's counts may differ.
var counting = map[string]bool{
	"notification.planned": true, "notification.suppressed": true, "notification.cancelled": true, "inbox.updated": true,
}

// countQueue has the people with sockets whose counts may have changed, in order and each once:
// many events of a person, such as those of a batch, cost one read. push never blocks, so that the
// tail does not wait for the database.
type countQueue struct {
	mu      sync.Mutex
	waiting map[uuid.UUID]bool
	order   []uuid.UUID
	more    chan struct{}
}

func newCountQueue() *countQueue {
	return &countQueue{waiting: map[uuid.UUID]bool{}, more: make(chan struct{}, 1)}
}

func (q *countQueue) push(person uuid.UUID) {
	q.mu.Lock()
	if !q.waiting[person] {
		q.waiting[person] = true
		q.order = append(q.order, person)
	}
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// pop waits for a person. It returns false after ctx has ended.
func (q *countQueue) pop(ctx context.Context) (uuid.UUID, bool) {
	for {
		q.mu.Lock()
		if len(q.order) > 0 {
			person := q.order[0]
			q.order = q.order[1:]
			delete(q.waiting, person) // Before the read, so that later events queue the person again.
			q.mu.Unlock()
			return person, ctx.Err() == nil
		}
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return uuid.Nil, false
		case <-q.more:
		}
	}
}

// queueCounts queues the people with sockets at this instance whose counts may have changed. The
// events are committed, so that the counts read later include them.
func (h *Hub) queueCounts(batch []event.Event) {
	if h.inbox == nil {
		return
	}
	for i := range batch {
		e := &batch[i]
		if counting[e.Type] && e.PersonID != nil && h.index.has(place{kind: userRoom, id: *e.PersonID}) {
			h.counts.push(*e.PersonID)
		}
	}
}

// counter reads the counts of queued people and sends them to their sockets. It is one goroutine:
// reads of one person do not overtake each other, so that the last frame has the latest counts.
func (h *Hub) counter(ctx context.Context) {
	for {
		person, ok := h.counts.pop(ctx)
		if !ok {
			return
		}
		c, err := h.readCounts(ctx, person)
		if err != nil {
			// The next event of the person sends them; a client that reconnects reads its inbox.
			h.logger.WarnContext(ctx, "cannot count an inbox", "user_id", person, "error", postgres.SafeError(err))
			continue
		}
		frame := c.encode()
		for _, s := range h.index.in(place{kind: userRoom, id: person}) {
			s.offerCounts(frame)
			h.wakeUp(s)
		}
	}
}

func (h *Hub) readCounts(ctx context.Context, person uuid.UUID) (InboxCounts, error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	return h.inbox(ctx, person)
}

// encode returns the frame of type inbox.
func (c InboxCounts) encode() []byte {
	b, err := json.Marshal(struct {
		Type   string `json:"type"`
		Unread int64  `json:"unread"`
		Unseen int64  `json:"unseen"`
	}{"inbox", c.Unread, c.Unseen})
	if err != nil {
		panic(fmt.Sprintf("encode an inbox frame: %v", err)) // Numbers only: it always marshals.
	}
	return b
}

// offerCounts replaces the counts that wait for credit: a client that reads slowly gets the latest
// ones only.
func (s *session) offerCounts(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts = frame
}

// sendCounts sends the waiting counts, after the events that were read before.
func (s *session) sendCounts() {
	if s.counts != nil && len(s.flying) < inFlight && !s.closing {
		s.write(s.counts, nil)
		s.counts = nil
	}
}

// has reports whether a session is in the place.
func (x *index) has(p place) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.places[p]) > 0
}

// in returns the sessions in the place.
func (x *index) in(p place) []*session {
	x.mu.RLock()
	defer x.mu.RUnlock()
	all := make([]*session, 0, len(x.places[p]))
	for s := range x.places[p] {
		all = append(all, s)
	}
	return all
}
