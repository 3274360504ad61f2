package realtime

import (
	"sync"

	"carewire/internal/ledger"
)

// ring has the latest events of the ledger, without a gap: as many as it has slots for and as fit
// into maxBytes, and always the last one.
type ring struct {
	mu       sync.RWMutex
	entries  []*entry
	maxBytes int
	bytes    int
	first    int64 // The oldest position in the ring; head+1 if it is empty.
	head     ledger.Cursor
}

func newRing(size, maxBytes int) *ring {
	return &ring{entries: make([]*entry, size), maxBytes: maxBytes, first: 1}
}

// reset empties the ring; the next event is expected right after head.
func (r *ring) reset(head ledger.Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clear()
	r.first, r.head = head.Position+1, head
}

func (r *ring) clear() {
	clear(r.entries)
	r.bytes = 0
}

func (r *ring) append(batch []*entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := int64(len(r.entries))
	for _, e := range batch {
		p := e.position()
		if p != r.head.Position+1 {
			// A new epoch may leave a gap. Sessions behind it page.
			r.clear()
			r.first = p
		}
		if p-r.first >= size {
			r.forget()
		}
		r.entries[p%size] = e
		r.head = e.place
		for r.bytes += e.size; r.bytes > r.maxBytes && r.first < p; {
			r.forget()
		}
	}
}

// forget removes the oldest event.
func (r *ring) forget() {
	slot := &r.entries[r.first%int64(len(r.entries))]
	r.bytes -= (*slot).size
	*slot = nil
	r.first++
}

// after copies the events behind the position into buf and returns their number. It returns false
// if the ring does not reach back that far.
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
	for i := range buf[:n] {
		buf[i] = r.entries[(position+1+int64(i))%size]
	}
	return n, true
}

// has reports whether reading can continue from the cursor: it is that of an event in the ring, in
// the present epoch.
func (r *ring) has(c ledger.Cursor) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if c.Epoch != r.head.Epoch || c.Position < r.first || c.Position > r.head.Position {
		return false
	}
	return r.entries[c.Position%int64(len(r.entries))].place == c
}

// setHead replaces the cursor of the last event: a new epoch without events has another cursor for
// the same position.
func (r *ring) setHead(head ledger.Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.head.Position == head.Position {
		r.head = head
	}
}

// span returns the number of events, the oldest position and the approximate size in bytes; zeros
// if there are none.
func (r *ring) span() (events, oldest int64, bytes int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.first > r.head.Position {
		return 0, 0, 0
	}
	return r.head.Position - r.first + 1, r.first, r.bytes
}

// newest returns the cursor behind the last event.
func (r *ring) newest() ledger.Cursor {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.head
}
