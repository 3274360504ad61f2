package webhook

import (
	"context"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/httpapi"
	"carewire/internal/httpapi/refusal"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
)

// webhookNamespace derives the ids of the webhooks, the subjects of the events, from their names.
var webhookNamespace = uuid.MustParse("5f2b7c1e-6c1d-5e0a-8f43-2a9d1c7b6e50")

// refusals audits refused requests by provider and reason. It is safe for concurrent use.
type refusals struct {
	writer  *outbox.Writer
	logger  *slog.Logger
	counter *refusal.Counter[refusalKey, uuid.UUID]
}

type refusalKey struct{ provider, reason string }

func newRefusals(writer *outbox.Writer, logger *slog.Logger) *refusals {
	r := &refusals{writer: writer, logger: logger}
	r.counter = refusal.NewCounter(r.record, r.failed)
	return r
}

// count records a refusal. A failure to do so is only logged: the answer is a refusal anyway.
func (r *refusals) count(ctx context.Context, provider, reason string) {
	key, cmd := refusalKey{provider, reason}, httpapi.CommandOf(ctx)
	cmd.Actor, cmd.Key, cmd.RequestHash = care.SystemActor("webhook"), "", nil
	err := r.counter.Count(ctx, cmd, key, func() (uuid.UUID, bool, error) {
		return uuid.NewSHA1(webhookNamespace, []byte(provider)), true, nil
	})
	if err != nil {
		r.logger.ErrorContext(ctx, "a refused receipt was not audited", "provider", provider, "reason", reason, "request_id", cmd.CorrelationID, "error", postgres.SafeError(err))
	}
}

// record appends the event of n refusals at a webhook.
func (r *refusals) record(ctx context.Context, cmd care.Command, key refusalKey, webhook uuid.UUID, n int64) error {
	ref := care.Ref{Kind: "webhook", ID: webhook}
	return r.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		return outbox.Append(ctx, tx, event.New(cmd, "receipt.refused", ref, event.ReceiptRefused{Provider: key.provider, Reason: key.reason, Count: n}))
	})
}

func (r *refusals) failed(ctx context.Context, key refusalKey, n int64, err error) {
	r.logger.ErrorContext(ctx, "refused receipts were not audited", "provider", key.provider, "reason", key.reason, "count", n, "error", postgres.SafeError(err))
}
