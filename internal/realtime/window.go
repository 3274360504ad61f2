package realtime

import (
	"container/list"
	"context"
	"errors"
	"slices"
	"sync"
)

// errShrunk says that the ledger ends before an event that was read already. The tail will notice too.
var errShrunk = errors.New("the ledger ends before an event that was read already")

// windows hold what sessions behind the ring have needed of the ledger last: stretches of windowSpan positions, each read once,
// with all its events, for all sessions that pass it. Who may see which is decided in memory, as for the ring. The window that was
// used last is always held; of the others as many as take maxBytes at most together.
type windows struct {
	maxBytes int
	// read returns the next events behind a position, at most so many.
	read func(ctx context.Context, after int64, limit int32) ([]*entry, error)

	mu    sync.Mutex
	held  map[int64]*window // By number: window n holds the positions from n*windowSpan+1 on.
	used  list.List         // Of *window, the one used last at the end.
	bytes int
	// reading are the windows that somebody reads right now.
	reading map[int64]*reading
	// history counts how often the ledger was replaced: what was begun before is not kept.
	history int
}

type window struct {
	number  int64
	entries []*entry
	// upto is the position up to which every event of the window is in entries.
	upto  int64
	bytes int
	use   *list.Element
}

// reading is a window on its way. err is set when done is closed.
type reading struct {
	done chan struct{}
	err  error
}

func newWindows(maxBytes int, read func(ctx context.Context, after int64, limit int32) ([]*entry, error)) *windows {
	return &windows{maxBytes: maxBytes, read: read, held: map[int64]*window{}, reading: map[int64]*reading{}}
}

// windowOf is the number of the window with the position, lastOf the last position of a window.
func windowOf(position int64) int64 { return (position - 1) / windowSpan }
func lastOf(number int64) int64     { return (number + 1) * windowSpan }

// after copies the next events behind the position that are held into buf and returns how many.
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

// missing returns the number of the first window that after would need to go on from the position, and up to where it is held.
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

// fetch makes after go on from the position. Who needs a window that somebody reads already waits for that.
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

// hold adds what was read behind a position to a window. Where the ledger has a gap, a part of it may be of the next one, and is
// left to that. It adds nothing when the window's beginning was let go of meanwhile.
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

// forget lets go of all windows, as the ledger is not the one that they were read from.
func (w *windows) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history++
	w.bytes = 0
	w.used.Init()
	clear(w.held)
	clear(w.reading)
}

// span returns how many events are held and about how many bytes they take.
func (w *windows) span() (events int64, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, win := range w.held {
		events += int64(len(win.entries))
	}
	return events, w.bytes
}
