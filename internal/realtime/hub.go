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

// fillRetry is how long to wait before the ledger's head is asked for again.
const fillRetry = time.Second

// Hub serves sockets from one process's tail of the ledger.
type Hub struct {
	pool    *pgxpool.Pool
	wake    <-chan struct{}
	codec   *ledger.Codec
	rights  Authorizer
	verify  func(ctx context.Context, token string) (Session, error)
	denied  func(ctx context.Context, d Denial) error
	origins map[string]bool
	logger  *slog.Logger
	limits  Limits

	melody *melody.Melody
	ring   *ring
	// windows are behind the ring.
	windows *windows
	index   *index
	wakes   *queue
	pages   *queue
	// idle is the last event that was brought to all whom it concerns.
	idle  atomic.Pointer[ledger.Cursor]
	ready chan struct{}
	// pagesRead counts what was read behind the ring.
	pagesRead atomic.Int64

	mu       sync.Mutex
	sessions [slots]map[*session]struct{}
	nextSlot int
	perUser  map[uuid.UUID]int
	draining bool
	// history counts how often the ledger was replaced.
	history int
	// open counts the calls of Serve that have a place.
	open sync.WaitGroup
}

// New makes a Hub, which serves once Run has read where the ledger stands.
func New(cfg Config) (*Hub, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	limits := cfg.Limits.withDefaults()
	h := &Hub{
		pool: cfg.Pool, wake: cfg.Wake, codec: cfg.Codec, rights: cfg.Authorizer, verify: cfg.Verify,
		denied: cfg.Denied, origins: map[string]bool{}, logger: cfg.Logger, limits: limits,
		ring: newRing(limits.RingEvents, limits.RingBytes), index: newIndex(), wakes: newQueue(), pages: newQueue(), ready: make(chan struct{}),
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
	m.Upgrader.CheckOrigin = func(*http.Request) bool { return true } // Serve has checked it.
	m.HandleConnect(func(ms *melody.Session) { h.connected(ms) })
	m.HandleSentMessage(func(ms *melody.Session, _ []byte) { sessionOf(ms).sent() })
	m.HandleMessage(func(ms *melody.Session, msg []byte) { sessionOf(ms).received(ms.Request.Context(), msg) })
	m.HandleMessageBinary(func(ms *melody.Session, _ []byte) { sessionOf(ms).receivedBinary() })
	m.HandleError(func(ms *melody.Session, err error) {
		// Called from within Write, with the session's lock held, among others: take none here.
		if errors.Is(err, melody.ErrMessageBufferFull) {
			h.logger.Error("melody dropped a message: the credit is wrong", "user_id", sessionOf(ms).user)
			_ = ms.WebsocketConnection().Close() // The client resumes; better than a hole.
		}
	})
	return m
}

// Run tails the ledger and sends what it brings, until ctx ends. It returns when all that it started has stopped. It
// leaves the sockets open: call Shutdown first.
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
	workers.Go(func() { h.clock(ctx) })
	close(h.ready)

	err := ledger.NewTail(ledger.TailConfig{
		Pool: h.pool, Wake: h.wake, Logger: h.logger, From: h.ring.newest().Position, OnResync: h.restart,
	}).Run(ctx, h.spread)
	cancel()
	h.wakes.close()
	h.pages.close()
	workers.Wait()
	if err != nil {
		return fmt.Errorf("tail the ledger: %w", err)
	}
	return nil
}

// Ready reports whether Run has read where the ledger is, so that sockets can be opened.
func (h *Hub) Ready() bool {
	select {
	case <-h.ready:
		return true
	default:
		return false
	}
}

// fill loads the last events, so that the clients of an instance that restarts do not page all at once. It ends no process:
// it waits for a database that does not answer, and leaves the ring empty when the events cannot be read. It is false once
// ctx has ended.
func (h *Hub) fill(ctx context.Context) bool {
	head, err := ledger.Head(ctx, h.pool)
	for err != nil && ctx.Err() == nil {
		h.logger.WarnContext(ctx, "the ledger's head cannot be read and is tried again", "error", postgres.SafeError(err))
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
		events, err := ledger.Read(ctx, h.pool, after, int32(min(1000, head.Position-after)))
		if err != nil {
			h.logger.WarnContext(ctx, "the last events cannot be read; sockets that are behind read pages", "error", postgres.SafeError(err))
			h.ring.reset(head)
			break
		}
		if len(events) == 0 {
			break
		}
		h.ring.append(h.entries(events))
		after = events[len(events)-1].Position
	}
	h.ring.restate(head)
	newest := h.ring.newest()
	h.idle.Store(&newest)
	return ctx.Err() == nil
}

// spread takes the tail's next batch: into the ring first, then to those whom it concerns.
func (h *Hub) spread(batch []event.Event) {
	if len(batch) == 0 {
		return
	}
	entries := h.entries(batch)
	h.ring.append(entries)
	woken := h.index.mark(entries, nil)
	head := ledger.CursorOf(batch[len(batch)-1])
	h.idle.Store(&head)
	h.wakeUp(woken...)
}

// restart begins anew after the ledger turned out not to be the one read before. What was sent may not be history any
// more, so everybody connects again, and the check of their cursors tells each what to do.
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

// wakeUp gives sessions to the flushers.
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
		s.queued.Store(false) // First: what comes from now on queues it again.
		s.pump()
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

// after copies the next events behind the position that are in memory into buf and returns how many. reaches is false behind the
// ring: there may be more in PostgreSQL.
func (h *Hub) after(position int64, buf []*entry) (n int, reaches bool) {
	if n, reaches = h.ring.after(position, buf); reaches {
		return n, true
	}
	return h.windows.after(position, buf), false
}

// clock moves the cursors of sessions that have nothing to read. Each has its turn once in a Tick, in its slot of it.
func (h *Hub) clock(ctx context.Context) {
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

// CloseSession closes the sockets that a browser's session has opened at this instance, without waiting for its session.closed,
// by which those of the others close.
func (h *Hub) CloseSession(id uuid.UUID) {
	for _, s := range h.list(0, slots) {
		if s.id == id && id != uuid.Nil {
			s.close(endSession.code, endSession.reason)
		}
	}
}

// list returns the sessions that have their turn in the slots from one to before another.
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

// Shutdown refuses new sockets, closes those that are open with 1001 and waits for them. When ctx ends before, it cuts
// those that are left and says so.
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
	return fmt.Errorf("close sockets: %d did not answer: %w", len(left), ctx.Err())
}

// Stats is what a Hub holds now.
type Stats struct {
	Sessions int
	Rooms    int
	// Position is the last one that was brought to sessions.
	Position int64
	// RingEvents are in memory, of about RingBytes, from the position RingOldest on.
	RingEvents, RingOldest, RingBytes int64
	// WindowEvents are those, of about WindowBytes, that are held for sessions further behind. Pages counts how often these were
	// read from PostgreSQL since the Hub was made.
	WindowEvents, WindowBytes, Pages int64
}

// Stats returns what the Hub holds now, for metrics.
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
	return st
}
