package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// ensurePartitions creates the partitions for the next batches, in a transaction of its own. With
// force, an insert has just failed without one. Otherwise it works ahead, and a failure can wait.
func (s *Sequencer) ensurePartitions(ctx context.Context, force bool) error {
	if !force && (s.head+int64(s.batch) < s.partitionedTo || time.Now().Before(s.nextAhead)) {
		return nil
	}
	q := db.New(s.pool)
	head, err := q.LedgerHead(ctx) // Another sequencer may have moved most of the events.
	if err == nil {
		s.head = head.Position
		s.partitionedTo, err = q.LedgerPartitionsAhead(ctx, s.head+int64(s.batch))
	}
	switch {
	case err == nil:
		return nil
	case force:
		return fmt.Errorf("create partitions: %w", postgres.Translate(err))
	case ctx.Err() == nil:
		s.nextAhead = time.Now().Add(aheadRetry)
		s.logger.WarnContext(ctx, "cannot create partitions of the ledger ahead of time; retrying later", "error", postgres.SafeError(err))
	}
	return nil
}

// noPartition reports PostgreSQL's error "no partition of relation found for row". It has the
// SQLSTATE of a check constraint but no constraint name.
func noPartition(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == "23514" && pgErr.ConstraintName == "" && pgErr.TableName == "events"
}

// rowsFault reports whether a row causes the error. A missing partition is a fault of the schema,
// although its error has the class of a row's.
func rowsFault(err error) bool { return postgres.RowFault(err) && !noPartition(err) }
