package outbox

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Statement queues a generated :batchone or :batchmany statement with one set of parameters:
//
//	func(q *db.Queries) (read func() error) {
//		results := q.RecordInsert(ctx, []db.RecordInsertParams{params})
//		return func() error { … results.QueryRow(…) … }
//	}
//
// The returned function reads the result when it arrives. Its error cannot undo anything, because
// the transaction may have committed by then. A statement that must stop the transaction fails in
// the database, with refuse() (see postgres.FailedChecks).
type Statement func(q *db.Queries) (read func() error)

// ReadBatch is a transaction of queries that do not depend on each other's results. They take one
// round trip. Only Writer.ReadInBatch and Writer.InBatch create one.
type ReadBatch struct {
	statements queue
}

// Queue adds a statement.
func (b *ReadBatch) Queue(s Statement) { b.statements.add(s) }

// Batch is a transaction of statements that do not depend on each other's results. The statements
// and the commit take one round trip; two if the command has an idempotency key. Only
// Writer.InBatch creates a Batch, so that every append is part of a transaction.
type Batch struct {
	ReadBatch

	err error
	// events are the appended events.
	events []event.Event
}

// Append inserts the events into the outbox in the given order, with the checks of the function
// Append. Like that function, it must be called last. It does not accept events that cut off, which
// may have to append others.
func (b *Batch) Append(ctx context.Context, events ...event.Event) {
	if err := checkAll(events); err != nil {
		b.err = err
		return
	}
	if len(cutOffs(events)) > 0 {
		b.err = errors.New("append events: an event that cuts off must be appended in a transaction")
		return
	}
	b.events = events
	queries := db.New(&b.statements)
	for i := range events {
		_ = queries.OutboxInsert(ctx, insertParams(&events[i])) // Queuing cannot fail.
	}
}

// InBatch runs the statements that fill adds to the batch as one transaction, with the scope, the
// errors and the idempotency of InTx, and wakes the sequencers after the commit. InBatch is for the
// hot path; use InTx for everything else.
func (w *Writer) InBatch(ctx context.Context, cmd care.Command, fill func(b *Batch)) error {
	b := &Batch{}
	if cmd.Key == "" {
		postgres.QueueActorScope(&b.statements.Batch, cmd.Actor)
	} else {
		// The commit must wait for the answer whether the key was used.
		postgres.BeginAs(&b.statements.Batch, cmd.Actor)
		queueIdempotencyCheck(ctx, &b.statements, cmd)
	}
	fill(b)
	if b.err != nil {
		return b.err
	}
	if cmd.Key != "" && len(b.events) > 0 {
		// Queuing cannot fail.
		_ = db.New(&b.statements).IdempotencyKeyPut(ctx, idempotencyParams(cmd, &b.events[0]))
	}
	ctx, span := traced(ctx, b.events)
	defer span.End()
	if err := postgres.InBatch(ctx, w.pool, &b.statements.Batch); err != nil {
		return err
	}
	w.waker.Wake()
	return nil
}

// ReadInBatch runs the queries that fill adds to the batch as one transaction, with the scope and the
// errors of Read. Their plans are those for any arguments (see postgres.QueueReadScope). Use it
// for the hot path, and Read for everything else.
func (w *Writer) ReadInBatch(ctx context.Context, actor care.Actor, fill func(b *ReadBatch)) error {
	b := &ReadBatch{}
	postgres.QueueReadScope(&b.statements.Batch, actor)
	fill(b)
	return w.Audited(ctx, postgres.InBatch(ctx, w.pool, &b.statements.Batch))
}

// queue is a pgx.Batch that implements db.DBTX: generated :exec and :batch… statements join the
// batch instead of being sent.
type queue struct {
	pgx.Batch
	// arriving receives the results of the statement that add is adding.
	arriving *arrivingResults
}

var errNotQueueable = errors.New("outbox: only :exec and :batch statements can be queued")

// add queues a statement, and reads its result when it arrives.
func (q *queue) add(statement Statement) {
	results := &arrivingResults{}
	q.arriving = results
	read := statement(db.New(q))
	q.QueuedQueries[q.Len()-1].Fn = func(all pgx.BatchResults) error {
		results.BatchResults = all
		return read()
	}
}

// Exec queues a statement without a result.
func (q *queue) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	q.Queue(sql, args...)
	return pgconn.CommandTag{}, nil
}

// SendBatch queues the statements of the batch. Their results arrive later.
func (q *queue) SendBatch(_ context.Context, b *pgx.Batch) pgx.BatchResults {
	q.QueuedQueries = append(q.QueuedQueries, b.QueuedQueries...)
	return q.arriving
}

// Query returns an error: rows cannot be read before the batch is sent.
func (q *queue) Query(context.Context, string, ...any) (pgx.Rows, error) {
	return nil, errNotQueueable
}

// QueryRow returns a row that fails to scan: it cannot be read before the batch is sent.
func (q *queue) QueryRow(context.Context, string, ...any) pgx.Row { return unreadableRow{} }

type unreadableRow struct{}

func (unreadableRow) Scan(...any) error { return errNotQueueable }

// arrivingResults are the results of one statement of a queue, set when they arrive.
type arrivingResults struct{ pgx.BatchResults }

// Close does nothing: the other statements of the queue have results to read.
func (*arrivingResults) Close() error { return nil }
