package ledger

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/wake"
)

// Listener has the process's only connection that LISTENs, and converts notifications to wakes.
type Listener struct {
	cfg    postgres.Config
	logger *slog.Logger
	outbox chan struct{}

	mu     sync.Mutex
	ledger map[chan struct{}]struct{}
}

// NewListener returns a Listener that connects with cfg, outside any pool. It needs the primary, or
// a pooler in session mode.
func NewListener(cfg postgres.Config, logger *slog.Logger) *Listener {
	return &Listener{cfg: cfg, logger: logger, outbox: make(chan struct{}, 1), ledger: make(map[chan struct{}]struct{})}
}

// Outbox returns a channel that is ready after any process appended events (outbox.Waker). Its only
// receiver is the sequencer of this process.
func (l *Listener) Outbox() <-chan struct{} { return l.outbox }

// Ledger returns a channel for one receiver that is ready after events were added to the ledger. It
// is ready from the start, because there may be events to read already. Call stop when the receiver
// has ended.
func (l *Listener) Ledger() (ch <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	wake.Signal(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ledger[c] = struct{}{}
	return c, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.ledger, c)
	}
}

// Run listens until ctx ends, and then returns nil. When it loses the connection it reconnects, and
// then wakes every receiver, because notifications sent in the meantime are lost.
func (l *Listener) Run(ctx context.Context) error {
	retry := backoff{least: 50 * time.Millisecond, most: 5 * time.Second}
	for ctx.Err() == nil {
		if err := l.listen(ctx, retry.reset); ctx.Err() == nil {
			l.logger.WarnContext(ctx, "lost the connection for notifications; reconnecting", "error", postgres.SafeError(err))
			wait(ctx, retry.delay(), nil)
		}
	}
	return nil
}

func (l *Listener) listen(ctx context.Context, connected func()) error {
	conn, err := postgres.ConnectListener(ctx, l.cfg)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	q := db.New(conn)
	if err := q.OutboxListen(ctx); err != nil {
		return err
	}
	if err := q.LedgerListen(ctx); err != nil {
		return err
	}
	connected()
	wake.Signal(l.outbox)
	l.wakeLedger()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if n.Channel == "carewire_outbox" {
			wake.Signal(l.outbox)
		} else {
			l.wakeLedger()
		}
	}
}

func (l *Listener) wakeLedger() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.ledger {
		wake.Signal(c)
	}
}
