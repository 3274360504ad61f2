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

// makeRoom makes the partitions that the next batches need, in a transaction of its own. With force, the insert has just
// failed for lack of one; else it is only seen to in time, and a failure can wait.
func (s *Sequencer) makeRoom(ctx context.Context, force bool) error {
	if !force && (s.head+int64(s.batch) < s.enough || time.Now().Before(s.aheadAfter)) {
		return nil
	}
	q := db.New(s.pool)
	head, err := q.LedgerHead(ctx) // Another sequencer may have moved most of what there is.
	if err == nil {
		s.head = head.Position
		s.enough, err = q.LedgerPartitionsAhead(ctx, s.head+int64(s.batch))
	}
	switch {
	case err == nil:
		return nil
	case force:
		return fmt.Errorf("make partitions: %w", postgres.Translate(err))
	case ctx.Err() == nil:
		s.aheadAfter = time.Now().Add(aheadRetry)
		s.logger.WarnContext(ctx, "partitions of the ledger could not be made ahead", "error", postgres.SafeError(err))
	}
	return nil
}

// noPartition tells PostgreSQL's "no partition of relation found for row", which has the SQLSTATE of a check constraint
// but the name of none.
func noPartition(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == "23514" && pgErr.ConstraintName == "" && pgErr.TableName == "events"
}

// rowsFault reports whether a row causes the error. That no partition takes the row is the schema's fault, although it has
// the class of a row's.
func rowsFault(err error) bool { return postgres.RowFault(err) && !noPartition(err) }
