package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

// idempotentTx is the transaction of a command with an idempotency key. The key then identifies the
// subject of the first event that was appended in the transaction. Every write appends an event.
type idempotentTx struct {
	pgx.Tx
	first *event.Event
}

// rememberFirst keeps the first event that is appended in an idempotentTx.
func rememberFirst(tx pgx.Tx, events []event.Event) {
	if idempotent, ok := tx.(*idempotentTx); ok && idempotent.first == nil && len(events) > 0 {
		idempotent.first = &events[0]
	}
}

// idempotent runs fn unless the command's key was used before. It then returns a care.ReplayError
// for the same request and care.Invalid for another one. It returns care.Conflict at once while the
// first request with the key is in progress.
func idempotent(ctx context.Context, tx pgx.Tx, cmd care.Command, fn func(tx pgx.Tx) error) error {
	statements := &queue{}
	queueIdempotencyCheck(ctx, statements, cmd)
	if err := tx.SendBatch(ctx, &statements.Batch).Close(); err != nil {
		return err
	}
	tracked := &idempotentTx{Tx: tx}
	if err := fn(tracked); err != nil {
		return err
	}
	if tracked.first == nil {
		return nil // Nothing was changed, so that a repetition changes nothing either.
	}
	if err := db.New(tx).IdempotencyKeyPut(ctx, idempotencyParams(cmd, tracked.first)); err != nil {
		return fmt.Errorf("store idempotency key: %w", err)
	}
	return nil
}

// queueIdempotencyCheck queues two statements that take the key's lock and look up an earlier use.
func queueIdempotencyCheck(ctx context.Context, statements *queue, cmd care.Command) {
	statements.add(func(q *db.Queries) func() error {
		lock := q.IdempotencyKeyLock(ctx, []db.IdempotencyKeyLockParams{{ActorID: cmd.Actor.ID, Key: cmd.Key}})
		return func() (err error) {
			lock.QueryRow(func(_ int, free bool, failed error) {
				switch {
				case failed != nil:
					err = fmt.Errorf("lock idempotency key: %w", failed)
				case !free:
					err = care.Errorf(care.Conflict, "a request with this Idempotency-Key is in progress; try again when it has finished")
				}
			})
			return err
		}
	})
	statements.add(func(q *db.Queries) func() error {
		uses := q.IdempotencyKeyGet(ctx, []db.IdempotencyKeyGetParams{{ActorID: cmd.Actor.ID, Key: cmd.Key}})
		return func() (err error) {
			uses.QueryRow(func(_ int, use db.IdempotencyKeyGetRow, failed error) { err = replay(cmd, use, failed) })
			return err
		}
	})
}

// replay returns the answer to a command with a key that may have been used before.
func replay(cmd care.Command, use db.IdempotencyKeyGetRow, err error) error {
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("look up idempotency key: %w", err)
	case !bytes.Equal(use.RequestHash, cmd.RequestHash):
		return care.InvalidField("Idempotency-Key", "was used for another request; use a new key for each request")
	}
	return &care.ReplayError{Subject: use.Subject, Version: care.OrZero(use.Version)}
}

func idempotencyParams(cmd care.Command, first *event.Event) db.IdempotencyKeyPutParams {
	return db.IdempotencyKeyPutParams{
		ActorID: cmd.Actor.ID, Key: cmd.Key, RequestHash: cmd.RequestHash, Subject: first.Subject, Version: first.SubjectVersion,
	}
}
