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

// onceTx is the transaction of a command that must be carried out once. What its key stands for afterwards is the subject
// of the first event that is appended in it: every write has one.
type onceTx struct {
	pgx.Tx
	wrote *event.Event
}

// noteFirst keeps the first event that is appended in a onceTx.
func noteFirst(tx pgx.Tx, events []event.Event) {
	if once, ok := tx.(*onceTx); ok && once.wrote == nil && len(events) > 0 {
		once.wrote = &events[0]
	}
}

// once runs fn unless the command's key stands for something already: then the error is a care.ReplayError for the same
// request, care.Invalid for another. While the first is under way it is care.Conflict, at once.
func once(ctx context.Context, tx pgx.Tx, cmd care.Command, fn func(tx pgx.Tx) error) error {
	batch := &pgx.Batch{}
	queueOnce(batch, cmd)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	tracked := &onceTx{Tx: tx}
	if err := fn(tracked); err != nil {
		return err
	}
	if tracked.wrote == nil {
		return nil // Nothing was changed: doing it again changes nothing either.
	}
	if err := db.New(tx).IdempotencyKeyPut(ctx, keyParams(cmd, tracked.wrote)); err != nil {
		return fmt.Errorf("keep idempotency key: %w", err)
	}
	return nil
}

// queueOnce takes the key's lock and looks whether it was used, in one round trip.
func queueOnce(batch *pgx.Batch, cmd care.Command) {
	batch.Queue(db.IdempotencyKeyLock, cmd.Actor.ID, cmd.Key).QueryRow(func(row pgx.Row) error {
		var free bool
		if err := row.Scan(&free); err != nil {
			return fmt.Errorf("lock idempotency key: %w", err)
		}
		if !free {
			return care.Errorf(care.Conflict, "a request with this Idempotency-Key is under way: send it again when that has ended")
		}
		return nil
	})
	batch.Queue(db.IdempotencyKeyGet, cmd.Actor.ID, cmd.Key).QueryRow(func(row pgx.Row) error {
		var used db.IdempotencyKeyGetRow
		err := row.Scan(&used.RequestHash, &used.Subject, &used.Version)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return fmt.Errorf("look up idempotency key: %w", err)
		case !bytes.Equal(used.RequestHash, cmd.RequestHash):
			return care.InvalidField("Idempotency-Key", "was used for another request: take a new key for each")
		}
		return &care.ReplayError{Subject: used.Subject, Version: value(used.Version)}
	})
}

func keyParams(cmd care.Command, wrote *event.Event) db.IdempotencyKeyPutParams {
	return db.IdempotencyKeyPutParams{
		ActorID: cmd.Actor.ID, Key: cmd.Key, RequestHash: cmd.RequestHash, Subject: wrote.Subject, Version: wrote.SubjectVersion,
	}
}
