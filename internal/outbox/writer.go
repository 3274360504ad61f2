package outbox

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
)

// Writer runs the domain's transactions and rings the bell after each commit.
type Writer struct {
	pool *pgxpool.Pool
	bell *Bell
}

// NewWriter makes a writer on the pool of the role that the domain writes as.
func NewWriter(pool *pgxpool.Pool, bell *Bell) *Writer {
	return &Writer{pool: pool, bell: bell}
}

// InTx runs fn in a READ COMMITTED transaction, as postgres.InTx does with the same errors, and rings once it committed.
// A RefusalError is audited and gives its answer.
func (w *Writer) InTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	if err := postgres.InTx(ctx, w.pool, fn); err != nil {
		return w.Audited(ctx, err)
	}
	w.bell.Ring()
	return nil
}

// Pool is for reads that need no transaction.
func (w *Writer) Pool() *pgxpool.Pool { return w.pool }
