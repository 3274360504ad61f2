package realtime

import (
	"container/list"
	"context"
	"errors"
	"slices"
	"sync"
)

// errShrunk reports that the ledger ends before an event that was read already. The tail detects it
// too.
var errShrunk = errors.New("the ledger ends before an event that was read already")

// windows has the most recently used stretches of the ledger for sessions behind the ring:
// windowSpan positions each, read once, with all their events, for all sessions that pass them.
// Visibility is decided in memory, as for the ring. The most recently used window is always kept,
// and as many others as fit into maxBytes in total.
type windows struct {
	maxBytes int
	// read returns at most limit events after a position.
	read func(ctx context.Context, after int64, limit int32) ([]*entry, error)

	mu    sync.Mutex
	held  map[int64]*window // By number: window n has the positions from n*windowSpan+1 on.
	used  list.List         // Of *window, the most recently used at the end.
	bytes int
	// reading are the windows that are being read.
	reading map[int64]*reading
	// history counts how often the ledger was replaced: reads that began before are dropped.
	history int
}

type window struct {
	number  int64
	entries []*entry
	// upto is the position up to which entries has every event of the window.
	upto  int64
	bytes int
	use   *list.Element
}

// reading is a window that is being read. err is set before done is closed.
type reading struct {
	done chan struct{}
	err  error
}

func newWindows(maxBytes int, read func(ctx context.Context, after int64, limit int32) ([]*entry, error)) *windows {
	return &windows{maxBytes: maxBytes, read: read, held: map[int64]*window{}, reading: map[int64]*reading{}}
}

// windowOf returns the number of the window with the position, lastOf the last position of a
// window.
func windowOf(position int64) int64 { return (position - 1) / windowSpan }
func lastOf(number int64) int64     { return (number + 1) * windowSpan }

// after copies the next events behind the position that are in memory into buf and returns their
// number.
func (w *windows) after(position int64, buf []*entry) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for number := windowOf(position + 1); ; number++ {
		win := w.held[number]
		if win == nil {
			return 0
		}
		w.used.MoveToBack(win.use)
		i, _ := slices.BinarySearchFunc(win.entries, position+1, func(e *entry, p int64) int { return int(e.position() - p) })
		if n := copy(buf, win.entries[i:]); n > 0 || win.upto < lastOf(number) {
			return n
		}
	}
}

// missing returns the number of the first window that after needs to continue from the position,
// and the position up to which it is in memory.
func (w *windows) missing(position int64) (number, upto int64, ok bool) {
	for number = windowOf(position + 1); ; number++ {
		win := w.held[number]
		switch {
		case win == nil:
			return number, lastOf(number - 1), true
		case win.upto < lastOf(number):
			return number, win.upto, win.upto <= position
		case win.upto > position && len(win.entries) > 0 && win.entries[len(win.entries)-1].position() > position:
			return 0, 0, false
		}
	}
}

// fetch reads the window that after needs to continue from the position. If the window is being
// read already, it waits for that read.
func (w *windows) fetch(ctx context.Context, position int64) error {
	w.mu.Lock()
	number, upto, missing := w.missing(position)
	if !missing {
		w.mu.Unlock()
		return nil
	}
	if r := w.reading[number]; r != nil {
		w.mu.Unlock()
		select {
		case <-r.done:
			return r.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r, history := &reading{done: make(chan struct{})}, w.history
	w.reading[number] = r
	w.mu.Unlock()

	entries, err := w.read(ctx, upto, int32(lastOf(number)-upto))
	if err == nil && len(entries) == 0 {
		err = errShrunk
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && w.history == history {
		w.hold(number, upto, entries)
	}
	r.err = err
	close(r.done)
	if w.reading[number] == r {
		delete(w.reading, number)
	}
	return err
}

// hold adds events that were read behind a position to a window. If the ledger has a gap, events of
// the next window may be among them; they are dropped. It adds nothing if the window's beginning
// was dropped in the meantime.
func (w *windows) hold(number, after int64, entries []*entry) {
	win := w.held[number]
	if win == nil {
		if after != lastOf(number-1) {
			return
		}
		win = &window{number: number}
		win.use = w.used.PushBack(win)
		w.held[number] = win
	}
	w.used.MoveToBack(win.use)
	for _, e := range entries {
		win.upto = min(e.position(), lastOf(number))
		if e.position() > win.upto {
			break
		}
		win.entries = append(win.entries, e)
		win.bytes += e.size
		w.bytes += e.size
	}
	for w.bytes > w.maxBytes && w.used.Len() > 1 {
		oldest := w.used.Remove(w.used.Front()).(*window)
		delete(w.held, oldest.number)
		w.bytes -= oldest.bytes
	}
}

// roomy reports whether a window more displaces none that a session is likely to need.
func (w *windows) roomy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes < w.maxBytes/2
}

// forget drops all windows, because the ledger was replaced.
func (w *windows) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history++
	w.bytes = 0
	w.used.Init()
	clear(w.held)
	clear(w.reading)
}

// span returns the number of events and their approximate size in bytes.
func (w *windows) span() (events int64, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, win := range w.held {
		events += int64(len(win.entries))
	}
	return events, w.bytes
}
