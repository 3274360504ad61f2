package realtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/olahol/melody"

	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
)

const (
	// fillRetry is the wait before reading the ledger's head again.
	fillRetry = time.Second
	// fillBatch is the number of events per read when the ring is filled: with up to 16 KiB each,
	// 16 MiB.
	fillBatch = 1000
)

// Hub serves sockets from one process's tail of the ledger.
type Hub struct {
	pool       *pgxpool.Pool
	wake       <-chan struct{}
	codec      *ledger.Codec
	authorizer Authorizer
	verify     func(ctx context.Context, token string) (Session, error)
	denied     func(ctx context.Context, d DeniedRoom) error
	origins    map[string]bool
	logger     *slog.Logger
	limits     Limits

	melody *melody.Melody
	// writeBuffers are used by the sockets that are being written.
	writeBuffers sync.Pool
	ring         *ring
	// windows are behind the ring.
	windows *windows
	frames  *frames
	index   *index
	wakes   *queue
	// inbox reads counts; counts has the people whose counts are due.
	inbox  func(ctx context.Context, person uuid.UUID) (InboxCounts, error)
	counts *countQueue
	pages  *queue
	// idle is the last event that all sessions it concerns were woken for.
	idle  atomic.Pointer[ledger.Cursor]
	ready chan struct{}
	// pagesRead counts the reads behind the ring.
	pagesRead atomic.Int64

	mu       sync.Mutex
	sessions [slots]map[*session]struct{}
	nextSlot int
	perUser  map[uuid.UUID]int
	draining bool
	// history counts how often the ledger was replaced.
	history int
	// open counts the calls of Serve with a reserved connection.
	open sync.WaitGroup
}

// New returns a Hub. It serves sockets after Run has read the ledger's head.
func New(cfg Config) (*Hub, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	limits := cfg.Limits.withDefaults()
	h := &Hub{
		pool: cfg.Pool, wake: cfg.Wake, codec: cfg.Codec, authorizer: cfg.Authorizer, verify: cfg.Verify,
		inbox: cfg.Inbox, counts: newCountQueue(),
		denied: cfg.Denied, origins: map[string]bool{}, logger: cfg.Logger, limits: limits,
		ring: newRing(limits.RingEvents, limits.RingBytes), frames: newFrames(frameCache, limits.FlightBytes), index: newIndex(), wakes: newQueue(), pages: newQueue(), ready: make(chan struct{}),
		perUser: map[uuid.UUID]int{},
	}
	for i := range h.sessions {
		h.sessions[i] = map[*session]struct{}{}
	}
	h.windows = newWindows(limits.WindowBytes, h.readWindow)
	for _, o := range cfg.Origins {
		h.origins[o] = true
	}
	h.melody = h.newMelody()
	return h, nil
}

func (h *Hub) newMelody() *melody.Melody {
	m := melody.New()
	m.Config.WriteWait = h.limits.WriteWait
	m.Config.PongWait = h.limits.PongWait
	m.Config.PingPeriod = h.limits.PingPeriod
	m.Config.MaxMessageSize = h.limits.MessageBytes
	m.Config.MessageBufferSize = melodyBuffer
	m.Upgrader.Subprotocols = []string{Subprotocol}
	m.Upgrader.HandshakeTimeout = askTimeout
	m.Upgrader.ReadBufferSize = readBuffer
	m.Upgrader.WriteBufferSize = writeBuffer
	m.Upgrader.WriteBufferPool = &h.writeBuffers
	m.Upgrader.CheckOrigin = func(*http.Request) bool { return true } // Serve has checked it.
	m.HandleConnect(func(ms *melody.Session) { h.connected(ms) })
	m.HandleSentMessage(func(ms *melody.Session, _ []byte) { sessionOf(ms).sent() })
	m.HandleMessage(func(ms *melody.Session, msg []byte) { sessionOf(ms).received(msg) })
	m.HandleMessageBinary(func(ms *melody.Session, _ []byte) { sessionOf(ms).receivedBinary() })
	m.HandleError(func(ms *melody.Session, err error) {
		// Called from within Write, where the session's lock may be memberships: take no lock here.
		if errors.Is(err, melody.ErrMessageBufferFull) {
			h.logger.Error("melody dropped a message: wrong credit", "user_id", sessionOf(ms).user)
			_ = ms.WebsocketConnection().Close() // The client resumes, which is better than a hole.
		}
	})
	return m
}

// Run tails the ledger and sends its events to sessions until ctx ends. It returns when all its
// goroutines have stopped. It leaves the sockets open: call Shutdown first.
func (h *Hub) Run(ctx context.Context) error {
	if !h.fill(ctx) {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(h.flusher)
	}
	for range pagers {
		workers.Go(func() { h.pager(ctx) })
	}
	workers.Go(func() { h.idleTicker(ctx) })
	workers.Go(func() { h.counter(ctx) })
	close(h.ready)

	err := ledger.NewTail(ledger.TailConfig{
		Pool: h.pool, Wake: h.wake, Logger: h.logger, From: h.ring.newest().Position, OnResync: h.restart,
	}).Run(ctx, h.fanOut)
	cancel()
	h.wakes.close()
	h.pages.close()
	workers.Wait()
	if err != nil {
		return fmt.Errorf("tail the ledger: %w", err)
	}
	return nil
}

// Ready reports whether Run has read the ledger's head, so that sockets can be opened.
func (h *Hub) Ready() bool {
	select {
	case <-h.ready:
		return true
	default:
		return false
	}
}

// fill loads the latest events, so that the clients of an instance that restarts do not all page at
// once. It waits for a database that does not answer, and leaves the ring empty if the events
// cannot be read. It returns false after ctx has ended.
func (h *Hub) fill(ctx context.Context) bool {
	head, err := ledger.Head(ctx, h.pool)
	for err != nil && ctx.Err() == nil {
		h.logger.WarnContext(ctx, "cannot read the ledger's head; retrying", "error", postgres.SafeError(err))
		select {
		case <-ctx.Done():
		case <-time.After(fillRetry):
			head, err = ledger.Head(ctx, h.pool)
		}
	}
	if err != nil {
		return false
	}
	after := max(0, head.Position-int64(h.limits.RingEvents))
	h.ring.reset(ledger.Cursor{Epoch: head.Epoch, Position: after})
	for after < head.Position {
		entries, err := h.readEntries(ctx, after, int32(min(fillBatch, head.Position-after)))
		if err != nil {
			h.logger.WarnContext(ctx, "cannot load the latest events; sockets that are behind read pages", "error", postgres.SafeError(err))
			h.ring.reset(head)
			break
		}
		if len(entries) == 0 {
			break
		}
		h.ring.append(entries)
		after = entries[len(entries)-1].position()
	}
	h.ring.setHead(head)
	newest := h.ring.newest()
	h.idle.Store(&newest)
	return ctx.Err() == nil
}

// fanOut adds the tail's next batch to the ring, then wakes the sessions that it concerns.
func (h *Hub) fanOut(batch []event.Event) {
	if len(batch) == 0 {
		return
	}
	entries := make([]*entry, len(batch))
	for i := range batch {
		entries[i] = h.entry(&batch[i])
	}
	h.ring.append(entries)
	woken := h.index.mark(entries, nil)
	head := ledger.CursorOf(batch[len(batch)-1])
	h.idle.Store(&head)
	h.wakeUp(woken...)
	h.queueCounts(batch)
}

// restart starts over when the ledger is not the one that was read before. Events that were sent
// may no longer be part of history, so that every client must reconnect; the check of its cursor
// then decides what it must do.
func (h *Hub) restart(_ string, at ledger.Cursor) {
	h.ring.reset(at)
	h.windows.forget()
	h.idle.Store(&at)
	h.mu.Lock()
	h.history++
	h.mu.Unlock()
	for _, s := range h.list(0, slots) {
		s.close(closeRestart, restored)
	}
}

// wakeUp queues sessions for the flushers.
func (h *Hub) wakeUp(sessions ...*session) {
	fresh := sessions[:0]
	for _, s := range sessions {
		if s.queued.CompareAndSwap(false, true) {
			fresh = append(fresh, s)
		}
	}
	h.wakes.push(fresh...)
}

func (h *Hub) flusher() {
	for {
		s, ok := h.wakes.pop()
		if !ok {
			return
		}
		s.queued.Store(false) // First, so that later events queue it again.
		s.flush()
	}
}

func (h *Hub) pager(ctx context.Context) {
	for {
		s, ok := h.pages.pop()
		if !ok {
			return
		}
		h.page(ctx, s)
	}
}

// after copies the next events behind the position that are in memory into buf and returns their
// number. inRing is false behind the ring: PostgreSQL may have more.
func (h *Hub) after(position int64, buf []*entry) (n int, inRing bool) {
	if n, inRing = h.ring.after(position, buf); inRing {
		return n, true
	}
	return h.windows.after(position, buf), false
}

// idleTicker advances the cursors of sessions that have no events to read. Each session has its
// turn once per Tick, in its slot.
func (h *Hub) idleTicker(ctx context.Context) {
	tick := time.NewTicker(max(h.limits.Tick/slots, 1))
	defer tick.Stop()
	for slot := 0; ; slot = (slot + 1) % slots {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			idle := *h.idle.Load()
			text := sync.OnceValue(func() string { return h.codec.Encode(idle) })
			for _, s := range h.list(slot, slot+1) {
				s.advance(now, idle, text)
			}
		}
	}
}

// CloseSession closes the sockets that a browser's session has opened at this instance, without
// waiting for its session.closed event, which closes those of other instances.
func (h *Hub) CloseSession(id uuid.UUID) {
	for _, s := range h.list(0, slots) {
		if s.id == id && id != uuid.Nil {
			s.close(endSession.code, endSession.reason)
		}
	}
}

// list returns the sessions of the slots from (inclusive) to to (exclusive).
func (h *Hub) list(from, to int) []*session {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []*session
	for _, slot := range h.sessions[from:to] {
		list = slices.Grow(list, len(slot))
		for s := range slot {
			list = append(list, s)
		}
	}
	return list
}

// Shutdown refuses new sockets, closes the open ones with 1001 and waits for them. If ctx ends
// first, it cuts the remaining connections and returns an error.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.draining = true
	h.mu.Unlock()
	for _, s := range h.list(0, slots) {
		s.close(closeGoingAway, goingAway)
	}
	done := make(chan struct{})
	go func() {
		h.open.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	left := h.list(0, slots)
	for _, s := range left {
		_ = s.socket.WebsocketConnection().Close()
	}
	<-done
	return fmt.Errorf("close sockets: %d did not close in time: %w", len(left), ctx.Err())
}

// Stats is the current state of a Hub.
type Stats struct {
	Sessions int
	Rooms    int
	// Position is the last one that sessions were woken for.
	Position int64
	// RingEvents is the number of events in memory, of about RingBytes, from the position
	// RingOldest.
	RingEvents, RingOldest, RingBytes int64
	// WindowEvents is the number of events, of about WindowBytes, in memory for sessions further
	// behind. Pages counts the reads of such events from PostgreSQL since the Hub was created.
	WindowEvents, WindowBytes, Pages int64
	// FlightBytes is the size of the frames that clients have not received yet, each counted once.
	// FramesEncoded counts the frames since the Hub was created: one that several clients get counts
	// once.
	FlightBytes, FramesEncoded int64
}

// Stats returns the current state, for metrics.
func (h *Hub) Stats() Stats {
	st := Stats{Rooms: h.index.size(), Position: h.ring.newest().Position, Pages: h.pagesRead.Load()}
	h.mu.Lock()
	for _, slot := range h.sessions {
		st.Sessions += len(slot)
	}
	h.mu.Unlock()
	events, oldest, bytes := h.ring.span()
	st.RingEvents, st.RingOldest, st.RingBytes = events, oldest, int64(bytes)
	st.WindowEvents, bytes = h.windows.span()
	st.WindowBytes = int64(bytes)
	st.FlightBytes, st.FramesEncoded = h.frames.flying.Load(), h.frames.encoded.Load()
	return st
}
