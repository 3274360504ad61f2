package ledger

import (
	"context"
	"runtime/debug"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

// Handler processes consecutive events of the ledger for a follower.
type Handler interface {
	// Handle processes the batch in the transaction that also advances the follower: its writes
	// there happen exactly once per event, other effects may happen again. The events have types
	// that this binary knows.
	//
	// After an error, its writes are rolled back and it is called again: with the events before
	// the one of a BlockedError; with a smaller batch if postgres.Exhausted(err); with the same
	// batch if postgres.Transient(err); otherwise with each event alone. An event that fails alone
	// is recorded and skipped.
	Handle(ctx context.Context, tx pgx.Tx, batch []event.Event) error
}

// PartialHandler is a Handler that stops before its work is too much for one transaction. The
// follower commits the finished part and calls it again for the rest. It is for handlers that write
// many rows for one event; others need only Handle.
type PartialHandler interface {
	Handler
	// HandlePart is Handle for as much of the batch, from its first event, as one transaction
	// should do. Errors mean the same as in Handle, but after an error that an event causes, the
	// batch is halved until that event is alone.
	HandlePart(ctx context.Context, tx pgx.Tx, batch []event.Event) (Progress, error)
}

// Progress is how far a PartialHandler got with a batch.
type Progress struct {
	// Events is the number of events of the batch, from its first, that are done.
	Events int
	// Part is greater than 0 if the next event is done in part. It is a measure of the total work
	// done for that event, such as its rows in the database, and must grow with every transaction:
	// an event without progress fails.
	Part int64
}

// HandlePart calls the handler's HandlePart, or Handle if it has none.
func HandlePart(ctx context.Context, h Handler, tx pgx.Tx, batch []event.Event) (Progress, error) {
	if partial, ok := h.(PartialHandler); ok {
		return partial.HandlePart(ctx, tx, batch)
	}
	return Progress{Events: len(batch)}, h.Handle(ctx, tx, batch)
}

// BlockedError is a Handler's error if an event, and therefore every later one, must wait for
// something that is not the event's fault. The events before it are handled nevertheless. It counts
// as transient.
type BlockedError struct {
	// Position is the position of the event.
	Position int64
	// Cause describes what the event waits for.
	Cause *care.Error
}

// Error implements error.
func (e *BlockedError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *BlockedError) Unwrap() error { return e.Cause }

// panicError is a handler's panic. The panic's value may quote the event and is dropped; the stack
// has no values.
type panicError struct{ stack string }

func (*panicError) Error() string { return "the handler panicked" }

// stuckError reports that a PartialHandler made no progress with an event.
type stuckError struct{}

func (stuckError) Error() string    { return "the handler made no progress" }
func (stuckError) SafeText() string { return "the handler made no progress" }

// partDone is how much of the event at a position is done.
type partDone struct{ position, part int64 }

// call runs the handler on a batch; before is the work done earlier for its first event. It
// converts a panic to an error: one event must stop neither the process nor this follower for ever.
func call(ctx context.Context, h Handler, tx pgx.Tx, batch []event.Event, before partDone) (p Progress, err error) {
	defer func() {
		if recover() != nil {
			err = &panicError{stack: string(debug.Stack())}
		}
	}()
	p, err = HandlePart(ctx, h, tx, batch)
	if err != nil {
		return p, err
	}
	earlier := int64(0)
	if before.position == batch[0].Position {
		earlier = before.part
	}
	if p.Events < 0 || p.Events > len(batch) || (p.Events == 0 && p.Part <= earlier) {
		return p, stuckError{}
	}
	return p, nil
}

// handleOne handles one event in a savepoint.
func handleOne(ctx context.Context, h Handler, tx pgx.Tx, e event.Event, before partDone) (p Progress, err error) {
	err = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
		if p, err = call(ctx, h, savepoint, []event.Event{e}, before); err != nil {
			return err
		}
		// It also finds a statement that failed without an error from the handler.
		return db.New(savepoint).FollowerCheckConstraints(ctx)
	})
	return p, err
}
