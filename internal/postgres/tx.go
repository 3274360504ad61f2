package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// rollbackTimeout bounds a rollback after the caller's context has ended.
const rollbackTimeout = 5 * time.Second

// InTx runs fn in a READ COMMITTED transaction and commits it. It rolls back when fn fails or panics. Every error goes
// through Translate. After an error of code care.Unavailable the commit may have happened or not.
func InTx(ctx context.Context, pool *pgxpool.Pool, fn func(tx pgx.Tx) error) error {
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return Translate(fmt.Errorf("begin: %w", err))
	}
	// After a commit this does nothing; after a panic it frees the connection before the panic goes on.
	defer rollback(ctx, tx)
	if err := fn(tx); err != nil {
		return Translate(err)
	}
	if err := tx.Commit(ctx); err != nil {
		return Translate(fmt.Errorf("commit: %w", err))
	}
	return nil
}

// InBatch sends a batch and commits it. One that begins no transaction takes one round trip: what is sent between two syncs
// of the protocol is one transaction, READ COMMITTED as every session's; it commits when the last statement is done, nothing
// of it stands when one fails, and a function that reads a result runs too late to stop it. One that begins a transaction
// (BeginAs) is committed in a second round trip, and rolled back when such a function fails. Errors are those of InTx.
func InBatch(ctx context.Context, pool *pgxpool.Pool, batch *pgx.Batch) error {
	results := pool.SendBatch(ctx, batch)
	tx := results.Tx()
	if tx == nil {
		return Translate(results.Close())
	}
	defer rollback(ctx, tx)
	if err := results.Close(); err != nil {
		return Translate(err)
	}
	if err := tx.Commit(ctx); err != nil {
		return Translate(fmt.Errorf("commit: %w", err))
	}
	return nil
}

// rollback is sent even when ctx has ended: a connection that is not told is closed, and a new one costs more.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_ = tx.Rollback(ctx)
}
