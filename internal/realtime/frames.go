package realtime

import (
	"slices"
	"sync"
	"sync/atomic"
)

// frames shares encoded frames between sessions: sessions with the same cursor that see the same
// events get the same bytes. It also counts the bytes in flight of the process.
//
// A session that is in the middle of a burst ends its frame where another one from the same cursor
// did, so that both have the same cursor again.
type frames struct {
	// maxBytes bounds the encoded frames that are kept for other sessions.
	maxBytes int
	// flightBytes is the number of bytes in flight from which on a session has only one small frame
	// in flight.
	flightBytes int64

	mu     sync.Mutex
	byFrom map[string][]*sharedFrame
	order  []*sharedFrame // The oldest first.
	bytes  int
	// flying is the size of the frames in flight, each counted once.
	flying atomic.Int64
	// encoded counts the frames that were encoded.
	encoded atomic.Int64
}

// sharedFrame is an encoded frame. Only flights changes.
type sharedFrame struct {
	from, to string
	// end is the position of the last event that was read for the frame, visible or not.
	end     int64
	entries []*entry
	size    int
	encode  func() encoded
	// flights is the number of sessions that have it in flight; frames.mu guards it.
	flights int
}

func newFrames(maxBytes, flightBytes int) *frames {
	return &frames{maxBytes: maxBytes, flightBytes: int64(flightBytes), byFrom: map[string][]*sharedFrame{}}
}

// crowded reports whether the bytes in flight have reached their limit.
func (c *frames) crowded() bool { return c.flying.Load() >= c.flightBytes }

// end returns the position where the largest frame from the cursor ends, if it has at least the
// given number of bytes; 0 for none.
func (c *frames) end(from string, bytes int) (end int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.byFrom[from] {
		if f.size >= bytes {
			end = max(end, f.end)
		}
	}
	return end
}

// take returns the frame of the events between the two cursors, and counts it as in flight until
// land is called.
func (c *frames) take(from, to string, f *frame) *sharedFrame {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.byFrom[from]
	i := slices.IndexFunc(list, func(s *sharedFrame) bool { return s.to == to && slices.Equal(s.entries, f.entries) })
	if i >= 0 {
		c.fly(list[i])
		return list[i]
	}
	made := frame{entries: slices.Clone(f.entries), bytes: f.bytes}
	s := &sharedFrame{from: from, to: to, end: f.last.position(), entries: made.entries, size: made.size(from, to)}
	s.encode = sync.OnceValue(func() encoded {
		c.encoded.Add(1)
		return made.encode(from, to)
	})
	c.byFrom[from] = append(list, s)
	c.order = append(c.order, s)
	c.bytes += s.size
	for c.bytes > c.maxBytes && len(c.order) > 1 {
		c.forget(c.order[0])
		c.order[0] = nil
		c.order = c.order[1:]
	}
	c.fly(s)
	return s
}

func (c *frames) forget(s *sharedFrame) {
	c.bytes -= s.size
	list := slices.DeleteFunc(c.byFrom[s.from], func(other *sharedFrame) bool { return other == s })
	if len(list) == 0 {
		delete(c.byFrom, s.from)
	} else {
		c.byFrom[s.from] = list
	}
}

func (c *frames) fly(s *sharedFrame) {
	if s.flights++; s.flights == 1 {
		c.flying.Add(int64(s.size))
	}
}

// land ends a flight of the frame; nil changes nothing.
func (c *frames) land(s *sharedFrame) {
	if s == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.flights--; s.flights == 0 {
		c.flying.Add(-int64(s.size))
	}
}
