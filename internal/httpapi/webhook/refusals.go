package webhook

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/httpapi"
	"carewire/internal/outbox"
)

const (
	// refusalWindow is the time after a refusal in which further ones of the same provider for the
	// same reason are only counted, so that nobody can fill the ledger. It is that of refused
	// sign-ins.
	refusalWindow = time.Minute
	recordTimeout = 5 * time.Second
)

// webhookNamespace derives the ids of the webhooks, the subjects of the events, from their names.
var webhookNamespace = uuid.MustParse("5f2b7c1e-6c1d-5e0a-8f43-2a9d1c7b6e50")

// refusals audits refused requests. It is safe for concurrent use. There are few providers and
// reasons, so it needs no bound.
type refusals struct {
	writer *outbox.Writer
	logger *slog.Logger
	now    func() time.Time

	mu   sync.Mutex
	open map[refusalKey]*window
}

type refusalKey struct{ provider, reason string }

// window counts the refusals since the one that opened it.
type window struct {
	ends  time.Time
	count int64
	cmd   care.Command
}

func newRefusals(writer *outbox.Writer, logger *slog.Logger) *refusals {
	return &refusals{writer: writer, logger: logger, now: time.Now, open: map[refusalKey]*window{}}
}

// count records the first refusal of a window at once, and counts the others.
func (r *refusals) count(ctx context.Context, provider, reason string) {
	key, cmd := refusalKey{provider, reason}, httpapi.CommandOf(ctx)
	cmd.Actor, cmd.Key, cmd.RequestHash = care.SystemActor("webhook"), "", nil
	r.mu.Lock()
	current, running := r.open[key]
	if running && r.now().Before(current.ends) {
		current.count++
		current.cmd = cmd
		r.mu.Unlock()
		return
	}
	r.open[key] = &window{ends: r.now().Add(refusalWindow)}
	r.mu.Unlock()
	if running && current.count > 0 {
		r.record(ctx, key, current.cmd, current.count)
	}
	r.record(ctx, key, cmd, 1)
}

// record appends the event. A failure is only logged: the answer is a refusal anyway.
func (r *refusals) record(ctx context.Context, key refusalKey, cmd care.Command, n int64) {
	ref := care.Ref{Kind: "webhook", ID: uuid.NewSHA1(webhookNamespace, []byte(key.provider))}
	err := r.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		return outbox.Append(ctx, tx, event.New(cmd, "receipt.refused", ref, event.ReceiptRefused{Provider: key.provider, Reason: key.reason, Count: n}))
	})
	if err != nil {
		r.logger.ErrorContext(ctx, "a refused receipt was not audited", "provider", key.provider, "reason", key.reason, "count", n, "request_id", cmd.CorrelationID)
	}
}

// run records the counts of windows soon after they end, and those of all at the end of ctx.
func (r *refusals) run(ctx context.Context) error {
	tick := time.NewTicker(refusalWindow / 4)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.flush(ctx, r.now())
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
			defer cancel()
			r.flush(last, r.now().Add(refusalWindow))
			return nil
		}
	}
}

// flush closes the windows that end by the time, and records their counts.
func (r *refusals) flush(ctx context.Context, by time.Time) {
	ended := map[refusalKey]*window{}
	r.mu.Lock()
	for key, w := range r.open {
		if !w.ends.After(by) {
			ended[key] = w
			delete(r.open, key)
		}
	}
	r.mu.Unlock()
	for key, w := range ended {
		if w.count > 0 {
			r.record(ctx, key, w.cmd, w.count)
		}
	}
}
