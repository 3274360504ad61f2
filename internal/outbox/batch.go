package outbox

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Batch is a transaction whose statements need no answer from each other: they and the commit go out together, in one
// round trip; in two where the command has a key. Only Writer.InBatch makes one, so that nothing is appended outside a transaction.
type Batch struct {
	batch pgx.Batch
	err   error
	// events are what is appended.
	events []event.Event
}

// QueryRow adds a statement that gives one row. read is called with it, but cannot undo anything: the transaction may have
// committed by then. A statement that must not go on ends itself, with refuse() (see postgres.Refused).
func (b *Batch) QueryRow(read func(row pgx.Row) error, sql string, args ...any) {
	b.batch.Queue(sql, args...).QueryRow(read)
}

// Append puts the events into the outbox in the order given, with the checks of Append. It must be the last to be
// called, as Append is.
func (b *Batch) Append(ctx context.Context, events ...event.Event) {
	for i := range events {
		if err := check(&events[i]); err != nil {
			b.err = fmt.Errorf("append event %q: %w", events[i].Type, err)
			return
		}
	}
	b.events = events
	queries := db.New(queuing{&b.batch})
	for i := range events {
		// Queuing cannot fail: what the database says comes when the batch is sent.
		_ = queries.OutboxInsert(ctx, single(&events[i]))
	}
}

// InBatch runs what fill adds to the batch as one transaction, with the scope, the errors and the key of InTx, and rings
// once it committed. It is for the hot path; InTx is the way for everything else.
func (w *Writer) InBatch(ctx context.Context, cmd care.Command, fill func(b *Batch)) error {
	b := &Batch{}
	if cmd.Key == "" {
		postgres.QueueActorScope(&b.batch, cmd.Actor)
	} else {
		// Whether the key was used decides whether the rest may stand, so the commit must wait for the answer.
		postgres.BeginAs(&b.batch, cmd.Actor)
		queueOnce(&b.batch, cmd)
	}
	fill(b)
	if b.err != nil {
		return b.err
	}
	if cmd.Key != "" && len(b.events) > 0 {
		// Queuing cannot fail.
		_ = db.New(queuing{&b.batch}).IdempotencyKeyPut(ctx, keyParams(cmd, &b.events[0]))
	}
	ctx, span := traced(ctx, b.events)
	defer span.End()
	if err := postgres.InBatch(ctx, w.pool, &b.batch); err != nil {
		return err
	}
	w.bell.Wake()
	return nil
}

// queuing lets a generated statement without a result be queued instead of sent.
type queuing struct{ batch *pgx.Batch }

func (q queuing) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	q.batch.Queue(sql, args...)
	return pgconn.CommandTag{}, nil
}

func (q queuing) Query(context.Context, string, ...any) (pgx.Rows, error) {
	panic("outbox: a queued statement gives no rows") // Nothing here asks for any.
}

func (q queuing) QueryRow(context.Context, string, ...any) pgx.Row {
	panic("outbox: a queued statement gives no row") // Nothing here asks for one.
}
