package outbox

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/postgres"
)

// Writer runs the domain's transactions and rings the bell after each commit.
type Writer struct {
	pool *pgxpool.Pool
	bell *Waker
}

// NewWriter makes a writer on the pool of the role that the domain writes as.
func NewWriter(pool *pgxpool.Pool, bell *Waker) *Writer {
	return &Writer{pool: pool, bell: bell}
}

// InTx runs fn in a READ COMMITTED transaction that sees what the command's actor may (postgres.BeginAs), with the errors
// of postgres.InTx, and rings once it committed. A DeniedError is audited and gives its answer. A command with a key is
// carried out once: a second time fn does not run, and the error is a care.ReplayError.
func (w *Writer) InTx(ctx context.Context, cmd care.Command, fn func(tx pgx.Tx) error) error {
	err := postgres.InTxAs(ctx, w.pool, cmd.Actor, func(tx pgx.Tx) error {
		if cmd.Key == "" {
			return fn(tx)
		}
		return once(ctx, tx, cmd, fn)
	})
	if err != nil {
		return w.Audited(ctx, err)
	}
	w.bell.Wake()
	return nil
}

// Read is InTx for what appends nothing: it does not ring, and knows no key.
func (w *Writer) Read(ctx context.Context, actor care.Actor, fn func(tx pgx.Tx) error) error {
	return w.Audited(ctx, postgres.InTxAs(ctx, w.pool, actor, fn))
}

// Pool is for what no row-level security keeps: on a kept table its queries find nothing.
func (w *Writer) Pool() *pgxpool.Pool { return w.pool }
