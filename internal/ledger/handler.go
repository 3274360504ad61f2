package ledger

import (
	"context"
	"runtime/debug"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

// Handler does a follower's work on events that follow each other in the ledger.
type Handler interface {
	// Handle works on the batch in the transaction that also advances the follower: what it writes there happens once
	// for each event, what it does elsewhere may happen again. The events are of types that this binary knows.
	//
	// After an error nothing it wrote stands, and it is called again: with the events before the one that a BlockedError
	// names; with a smaller batch when postgres.Exhausted(err); with the same batch when postgres.Transient(err); else with
	// each of the events alone. An event that fails alone is recorded and passed over.
	Handle(ctx context.Context, tx pgx.Tx, batch []event.Event) error
}

// PartialHandler is a Handler that stops before its work is too much for one transaction. The follower commits what is done
// and calls it again for the rest. It is for handlers that write much for one event; others need only Handle.
type PartialHandler interface {
	Handler
	// HandlePart is Handle for as much of the batch, from its first event on, as one transaction should do. Errors mean what
	// they mean there, but after one that is the fault of an event the batch is halved until that event is alone.
	HandlePart(ctx context.Context, tx pgx.Tx, batch []event.Event) (Progress, error)
}

// Progress is how far a PartialHandler got with a batch.
type Progress struct {
	// Events is how many events of the batch, from its first, are done.
	Events int
	// Part is more than 0 when the event after those is done in part. It is any measure of how much of that event is done in
	// all, such as its rows in the database, and must grow from one transaction to the next: an event with which a handler
	// gets no further fails.
	Part int64
}

// HandlePart calls the handler's own HandlePart, or Handle where it has none.
func HandlePart(ctx context.Context, h Handler, tx pgx.Tx, batch []event.Event) (Progress, error) {
	if partial, ok := h.(PartialHandler); ok {
		return partial.HandlePart(ctx, tx, batch)
	}
	return Progress{Events: len(batch)}, h.Handle(ctx, tx, batch)
}

// BlockedError is a Handler's answer when one event, and with it all that come after, must wait for something that is not the
// event's fault. What comes before it is handled all the same. It counts as transient.
type BlockedError struct {
	// Position is that of the event.
	Position int64
	// Cause says what it waits for.
	Cause *care.Error
}

// Error is the cause's.
func (e *BlockedError) Error() string { return e.Cause.Error() }

// Unwrap gives the cause.
func (e *BlockedError) Unwrap() error { return e.Cause }

// panicError is a handler's panic. Its value may quote the event and is not kept; the stack holds no values.
type panicError struct{ stack string }

func (*panicError) Error() string { return "the handler panicked" }

// stuckError is what became of an event with which a PartialHandler got no further.
type stuckError struct{}

func (stuckError) Error() string    { return "the handler made no progress" }
func (stuckError) SafeText() string { return "the handler made no progress" }

// reached is how much of the event at a position is done.
type reached struct{ position, part int64 }

// call lets the handler work on a batch, of whose first event so much was done before. It makes a panic an error like any
// other: one event must not stop the process, nor this follower for ever.
func call(ctx context.Context, h Handler, tx pgx.Tx, batch []event.Event, before reached) (p Progress, err error) {
	defer func() {
		if recover() != nil {
			err = &panicError{stack: string(debug.Stack())}
		}
	}()
	p, err = HandlePart(ctx, h, tx, batch)
	if err != nil {
		return p, err
	}
	known := int64(0)
	if before.position == batch[0].Position {
		known = before.part
	}
	if p.Events < 0 || p.Events > len(batch) || (p.Events == 0 && p.Part <= known) {
		return p, stuckError{}
	}
	return p, nil
}

// alone handles one event under a savepoint.
func alone(ctx context.Context, h Handler, tx pgx.Tx, e event.Event, before reached) (p Progress, err error) {
	err = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
		if p, err = call(ctx, h, savepoint, []event.Event{e}, before); err != nil {
			return err
		}
		// Also finds a statement that failed without the handler saying so.
		return db.New(savepoint).FollowerCheckConstraints(ctx)
	})
	return p, err
}
