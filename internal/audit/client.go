package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// sweepRows is the number of clients that one statement deletes, and sweepStatements the largest
// number of statements of a sweep: a million rows, which takes a minute at most.
const (
	sweepRows       = 10_000
	sweepStatements = 100
)

// SweepClients deletes the clients of events that were recorded longer ago than the retention
// period. The events stay. The pool is of the role carewire_worker. A sweep is bounded: the next one
// continues.
func SweepClients(ctx context.Context, pool *pgxpool.Pool, retention time.Duration) (deleted int64, err error) {
	q := db.New(pool)
	for range sweepStatements {
		n, err := q.EventClientsDeleteOld(ctx, db.EventClientsDeleteOldParams{MaxRows: sweepRows, MaxAgeSeconds: retention.Seconds()})
		if err != nil {
			return deleted, fmt.Errorf("delete clients of events: %w", postgres.Translate(err))
		}
		if deleted += n; n < sweepRows {
			break
		}
	}
	return deleted, nil
}
