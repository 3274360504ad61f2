package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Read returns at most limit events after a position, in order. Events that cannot be read
// completely are Unreadable.
func Read(ctx context.Context, q db.DBTX, after int64, limit int32) ([]event.Event, error) {
	return Events(q, list(ctx, after, limit))
}

// Each calls fn with each event that Read returns, as it arrives: an error may follow some of them. fn
// may keep the event's values, but not the pointer.
func Each(ctx context.Context, q db.DBTX, after int64, limit int32, fn func(e *event.Event)) error {
	return each(q, list(ctx, after, limit), fn)
}

func list(ctx context.Context, after int64, limit int32) func(q *db.Queries) ([]db.Event, error) {
	return func(q *db.Queries) ([]db.Event, error) {
		return q.EventList(ctx, db.EventListParams{FirstPosition: after + 1, MaxEvents: limit})
	}
}

// ReadTypes returns the events of some types at the positions from first to before end, in order.
// Events that cannot be read completely are Unreadable.
func ReadTypes(ctx context.Context, q db.DBTX, first, end int64, types []string) ([]event.Event, error) {
	return Events(q, func(q *db.Queries) ([]db.Event, error) {
		return q.EventListTypes(ctx, db.EventListTypesParams{FirstPosition: first, EndPosition: end, Types: types})
	})
}

// PositionAt returns the position of the first event that was recorded at a time or later; the one
// after the last event if there is none. recorded_at has no index, but it never decreases along the
// ledger: about 30 look-ups find the position among a billion events.
func PositionAt(ctx context.Context, q db.DBTX, at time.Time) (int64, error) {
	head, err := GetLastEvent(ctx, q)
	if err != nil {
		return 0, err
	}
	queries, low, high := db.New(q), int64(1), head.Position+1
	for low < high {
		middle := low + (high-low)/2
		row, err := queries.LedgerTimeFrom(ctx, middle)
		if err != nil {
			return 0, fmt.Errorf("read the time of an event: %w", postgres.Translate(err))
		}
		if row.RecordedAt.Before(at) {
			low = row.Position + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

// Head returns the cursor of the ledger's last event, in the newest epoch: position 0 if the ledger
// is empty.
func Head(ctx context.Context, q db.DBTX) (Cursor, error) {
	row, err := db.New(q).LedgerHead(ctx)
	if err != nil {
		return Cursor{}, fmt.Errorf("read the ledger's head: %w", postgres.Translate(err))
	}
	return newCursor(row.Epoch, row.Position, row.LeafHash), nil
}

// NewEpoch begins a new epoch and returns its number: every earlier cursor must resync. The
// operator calls it after history may have been lost, for example by a restore or a failover to a
// server that was behind. The pool must run as the worker role.
func NewEpoch(ctx context.Context, pool *pgxpool.Pool, reason string) (int32, error) {
	var epoch int32
	err := postgres.InTx(ctx, pool, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := q.SequencerLock(ctx); err != nil {
			return err
		}
		var err error
		epoch, err = q.EpochInsert(ctx, reason)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("begin an epoch: %w", err)
	}
	return epoch, nil
}
