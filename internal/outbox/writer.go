package outbox

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/postgres"
)

// Writer runs the domain's transactions and wakes the sequencers after each commit.
type Writer struct {
	pool  *pgxpool.Pool
	waker *Waker
}

// NewWriter returns a Writer on a pool of the role that the domain writes as.
func NewWriter(pool *pgxpool.Pool, waker *Waker) *Writer {
	return &Writer{pool: pool, waker: waker}
}

// InTx runs fn in a READ COMMITTED transaction in the scope of the command's actor (see
// postgres.BeginAs) and wakes the sequencers after the commit. Its errors are those of
// postgres.InTx. It audits a DeniedError and returns its answer. A command with an idempotency key
// is executed once: InTx then returns a care.ReplayError instead of running fn again.
func (w *Writer) InTx(ctx context.Context, cmd care.Command, fn func(tx pgx.Tx) error) error {
	err := postgres.InTxAs(ctx, w.pool, cmd.Actor, func(tx pgx.Tx) error {
		if cmd.Key == "" {
			return fn(tx)
		}
		return idempotent(ctx, tx, cmd, fn)
	})
	if err != nil {
		return w.Audited(ctx, err)
	}
	w.waker.Wake()
	return nil
}

// Read is InTx for a transaction that appends nothing: it wakes no sequencer and ignores keys.
func (w *Writer) Read(ctx context.Context, actor care.Actor, fn func(tx pgx.Tx) error) error {
	return w.Audited(ctx, postgres.InTxAs(ctx, w.pool, actor, fn))
}

// Pool returns the pool for tables without row-level security. Queries through it find no rows in a
// table with row-level security.
func (w *Writer) Pool() *pgxpool.Pool { return w.pool }
