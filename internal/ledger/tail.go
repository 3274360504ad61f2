package ledger

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

const (
	// defaultTailBatch bounds the events in memory: with up to 16 KiB each, 16 MiB.
	defaultTailBatch = 1000
	// defaultTailPoll bounds the delay after a lost wake.
	defaultTailPoll = time.Second
)

// TailConfig configures a Tail.
type TailConfig struct {
	// Pool runs as any role that may read the ledger.
	Pool *pgxpool.Pool
	// Wake signals new events; see Listener.Ledger.
	Wake   <-chan struct{}
	Logger *slog.Logger
	// From is the position after which to begin: 0 for the whole ledger, Head(...).Position for
	// new events only.
	From int64
	// OnResync is called when the ledger is not the one that was read before. The tail then
	// continues after at, the ledger's head, and earlier events may no longer be part of history.
	// reason is that of a ResyncError. It is called between batches, on the goroutine of Run; nil
	// disables it.
	OnResync func(reason string, at Cursor)
	// Batch is the maximum number of events per read; 0 means 1,000.
	Batch int
	// Poll is how long to wait for a wake before reading anyway; 0 means 1 s.
	Poll time.Duration
}

// Tail reads the ledger as it grows, in memory: each process that needs every event has its own.
type Tail struct {
	cfg  TailConfig
	last int64
	hash []byte // The leaf hash of the event at last; nil until it was read.
}

// NewTail returns a tail. Call Run once. It panics if cfg is invalid.
func NewTail(cfg TailConfig) *Tail {
	mustBeValid(cfg.Validate())
	cfg.Batch = cmp.Or(cfg.Batch, defaultTailBatch)
	cfg.Poll = cmp.Or(cfg.Poll, defaultTailPoll)
	return &Tail{cfg: cfg, last: cfg.From}
}

// Run calls fn with every event after From, in the order of the ledger and without a gap. It
// returns nil when ctx ends. Batches are never empty, and fn may keep them. fn must return soon:
// nothing is read in the meantime. An event that cannot be read is among them, with its position
// and Unreadable set; do not act on it.
//
// Each read begins with the last event of the previous one and compares its leaf hash. The first
// read from a database that was restored, or that failed over to a server that was behind, thus
// detects the change.
func (t *Tail) Run(ctx context.Context, fn func(batch []event.Event)) error {
	retry := backoff{least: 20 * time.Millisecond, most: 2 * time.Second}
	for ctx.Err() == nil {
		n, err := t.step(ctx, fn)
		switch {
		case err == nil:
			retry.reset()
			if n < t.cfg.Batch { // Later events send a wake.
				wait(ctx, t.cfg.Poll, t.cfg.Wake)
			}
		case ctx.Err() == nil:
			t.cfg.Logger.WarnContext(ctx, "cannot read the ledger; retrying", "error", postgres.SafeError(err))
			wait(ctx, retry.delay(), nil)
		}
	}
	return nil
}

// step reads once and returns the number of new events.
func (t *Tail) step(ctx context.Context, fn func(batch []event.Event)) (int, error) {
	events, err := Read(ctx, t.cfg.Pool, t.last-1, int32(t.cfg.Batch)+1)
	if err != nil {
		return 0, err
	}
	events, reason := t.continued(events)
	if reason != "" {
		return 0, t.resync(ctx, reason)
	}
	if len(events) == 0 {
		return 0, nil
	}
	newest := &events[len(events)-1]
	t.last, t.hash = newest.Position, newest.LeafHash
	t.report(ctx, events)
	fn(events)
	return len(events), nil
}

// report logs each event that cannot be read: followers of the tail get only its position.
func (t *Tail) report(ctx context.Context, events []event.Event) {
	for i := range events {
		if e := &events[i]; e.Unreadable != "" {
			t.cfg.Logger.ErrorContext(ctx, "cannot read an event of the ledger", "position", e.Position, "event_id", e.ID, "unreadable", e.Unreadable)
		}
	}
}

// continued removes the event that was read before, or returns the reason why the events do not
// follow it.
func (t *Tail) continued(events []event.Event) (fresh []event.Event, reason string) {
	if t.last > 0 {
		switch {
		case len(events) == 0 || events[0].Position != t.last:
			return nil, ReasonUnknownPosition
		case t.hash != nil && !bytes.Equal(events[0].LeafHash, t.hash):
			return nil, ReasonHistoryChanged
		}
		t.hash = events[0].LeafHash
		events = events[1:]
	}
	for i := range events {
		if events[i].Position != t.last+1+int64(i) {
			return nil, ReasonUnknownPosition
		}
	}
	return events, ""
}

// resync continues at the ledger's head.
func (t *Tail) resync(ctx context.Context, reason string) error {
	q := db.New(t.cfg.Pool)
	head, err := q.LedgerHead(ctx)
	if err != nil {
		return err
	}
	t.cfg.Logger.WarnContext(ctx, "the ledger is not the one that was read before; readers must resync",
		"reason", reason, "position", t.last, "head", head.Position)
	t.last, t.hash = head.Position, head.LeafHash
	if t.cfg.OnResync != nil {
		t.cfg.OnResync(reason, newCursor(head.Epoch, head.Position, head.LeafHash))
	}
	return nil
}
