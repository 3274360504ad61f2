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
	defaultTailBatch = 1000
	defaultTailPoll  = time.Second
)

// TailConfig says what a Tail reads.
type TailConfig struct {
	// Pool is of any role that may read the ledger.
	Pool *pgxpool.Pool
	// Wake tells of new events; from Listener.Ledger.
	Wake   <-chan struct{}
	Logger *slog.Logger
	// From is the position after which to begin: 0 gives everything there ever was, Head(...).Position what is new.
	From int64
	// OnResync is told when the ledger no longer is the one that was read before: from then on the tail gives what comes
	// after at, the ledger's head, and what was given before may not be history any more. reason is that of a
	// ResyncError. It is called between batches, on the goroutine of Run; nil means nobody needs to know.
	OnResync func(reason string, at Cursor)
	// Batch is how many events are read at once at most; 0 means 1,000.
	Batch int
	// Poll is how long to wait for a wake before looking by itself; 0 means 1 s.
	Poll time.Duration
}

// Tail reads the ledger as it grows, in memory: each process that wants every event has its own.
type Tail struct {
	cfg  TailConfig
	last int64
	hash []byte // The leaf hash of the event at last; nil until it was read.
}

// NewTail makes a tail. Run it once.
func NewTail(cfg TailConfig) *Tail {
	cfg.Batch = cmp.Or(cfg.Batch, defaultTailBatch)
	cfg.Poll = cmp.Or(cfg.Poll, defaultTailPoll)
	return &Tail{cfg: cfg, last: cfg.From}
}

// Run gives every event after From to fn, in the order of the ledger and without a gap, until ctx ends; it then returns
// nil. Batches are never empty and are fn's to keep. fn must return soon: nothing is read meanwhile. An event that cannot
// be read is among them, with its position and what is Unreadable; it is not to be acted on.
//
// Each read begins with the last event given before and compares its leaf hash, so that a database that was restored, or
// that failed over to a server behind, is noticed on the first read from it.
func (t *Tail) Run(ctx context.Context, fn func(batch []event.Event)) error {
	retry := backoff{least: 20 * time.Millisecond, most: 2 * time.Second}
	for ctx.Err() == nil {
		n, err := t.step(ctx, fn)
		switch {
		case err == nil && n > 0:
			retry.reset()
		case err == nil:
			retry.reset()
			pause(ctx, t.cfg.Poll, t.cfg.Wake)
		case ctx.Err() == nil:
			t.cfg.Logger.WarnContext(ctx, "the ledger cannot be read and is tried again", "error", postgres.SafeError(err))
			pause(ctx, retry.delay(), nil)
		}
	}
	return nil
}

// step reads once and tells how many events it gave.
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

// report logs each event that cannot be read: whoever follows the tail gets no more of it than its position.
func (t *Tail) report(ctx context.Context, events []event.Event) {
	for i := range events {
		if e := &events[i]; e.Unreadable != "" {
			t.cfg.Logger.ErrorContext(ctx, "an event in the ledger cannot be read", "position", e.Position, "event_id", e.ID, "unreadable", e.Unreadable)
		}
	}
}

// continued cuts off the event that was given before, or tells why what was read does not follow from it.
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

// resync begins anew at the ledger's head.
func (t *Tail) resync(ctx context.Context, reason string) error {
	q := db.New(t.cfg.Pool)
	head, err := q.LedgerHead(ctx)
	if err != nil {
		return err
	}
	t.cfg.Logger.WarnContext(ctx, "the ledger is not the one read before; readers must resync",
		"reason", reason, "position", t.last, "head", head.Position)
	t.last, t.hash = head.Position, head.LeafHash
	if t.cfg.OnResync != nil {
		t.cfg.OnResync(reason, newCursor(head.Epoch, head.Position, head.LeafHash))
	}
	return nil
}
