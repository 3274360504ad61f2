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

// InTx runs fn in a READ COMMITTED transaction and commits it. It rolls back if fn fails or panics.
// It returns every error through Translate. After an error of code care.Unavailable the commit may
// have happened or not.
func InTx(ctx context.Context, pool *pgxpool.Pool, fn func(tx pgx.Tx) error) error {
	return inTx(ctx, pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, fn)
}

// InReadTx is InTx with a READ ONLY transaction, in which PostgreSQL refuses every write.
func InReadTx(ctx context.Context, pool *pgxpool.Pool, fn func(tx pgx.Tx) error) error {
	return inTx(ctx, pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadOnly}, fn)
}

func inTx(ctx context.Context, pool *pgxpool.Pool, options pgx.TxOptions, fn func(tx pgx.Tx) error) error {
	tx, err := pool.BeginTx(ctx, options)
	if err != nil {
		return Translate(fmt.Errorf("begin: %w", err))
	}
	// After a commit this does nothing; after a panic it releases the connection before the panic
	// continues.
	defer rollback(ctx, tx)
	if err := fn(tx); err != nil {
		return Translate(err)
	}
	if err := tx.Commit(ctx); err != nil {
		return Translate(fmt.Errorf("commit: %w", err))
	}
	return nil
}

// InTxAfter is InTx after the statements of first, which are sent together with the BEGIN. An error
// of a function that reads one of their results ends the transaction, like one of fn.
func InTxAfter(ctx context.Context, pool *pgxpool.Pool, first *pgx.Batch, fn func(tx pgx.Tx) error) error {
	batch := &pgx.Batch{}
	batch.BeginTx(pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	batch.QueuedQueries = append(batch.QueuedQueries, first.QueuedQueries...)
	results := pool.SendBatch(ctx, batch)
	tx := results.Tx()
	defer rollback(ctx, tx)
	if err := results.Close(); err != nil {
		return Translate(fmt.Errorf("begin: %w", err))
	}
	if err := fn(tx); err != nil {
		return Translate(err)
	}
	if err := tx.Commit(ctx); err != nil {
		return Translate(fmt.Errorf("commit: %w", err))
	}
	return nil
}

// InBatch sends a batch and commits it. A batch that begins no transaction takes one round trip:
// the statements between two syncs of the protocol are one transaction, READ COMMITTED as in every
// session. It commits after the last statement, and rolls back if a statement fails; a function
// that reads a result runs too late to stop it. A batch that begins a transaction (BeginAs) is
// committed in a second round trip, and rolled back if such a function fails. Errors are those of
// InTx.
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

// rollback runs even after ctx has ended: otherwise the connection would be closed, and a new one
// costs more.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_ = tx.Rollback(ctx)
}
