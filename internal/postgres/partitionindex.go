package postgres

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed sql/missing_indexes.sql
var missingIndexesSQL string

// missingIndex is the part of a partitioned index that a partition lacks.
type missingIndex struct{ Index, Parent, Partition, Definition string }

// name returns the name of the partition's index.
func (m missingIndex) name() string {
	return m.Partition + "_" + strings.TrimPrefix(m.Index, m.Parent+"_")
}

// buildPartitionIndexes completes the partitioned indexes that a migration created ON ONLY their
// table. CREATE INDEX CONCURRENTLY does not work on a partitioned table, and the names of partitions
// differ between installations, so that a migration cannot contain this. Reads and writes continue
// meanwhile. It may fail half-way and is then repeated.
func buildPartitionIndexes(ctx context.Context, pool *pgxpool.Pool, logger *slog.Logger) error {
	rows, _ := pool.Query(ctx, missingIndexesSQL) // CollectRows returns its error too.
	missing, err := pgx.CollectRows(rows, pgx.RowToStructByPos[missingIndex])
	if err != nil {
		return fmt.Errorf("find missing indexes: %w", err)
	}
	for _, m := range missing {
		begun := time.Now()
		name, partition := pgx.Identifier{m.name()}.Sanitize(), pgx.Identifier{m.Partition}.Sanitize()
		for _, sql := range []string{
			"DROP INDEX CONCURRENTLY IF EXISTS " + name, // Invalid, if an earlier build failed.
			"CREATE INDEX CONCURRENTLY " + name + " ON " + partition + " " + m.Definition,
			"ALTER INDEX " + pgx.Identifier{m.Index}.Sanitize() + " ATTACH PARTITION " + name,
		} {
			if _, err := pool.Exec(ctx, sql); err != nil {
				return fmt.Errorf("index %s: %w", m.Partition, err)
			}
		}
		logger.InfoContext(ctx, "built an index", "index", m.name(), "duration_ms", time.Since(begun).Milliseconds())
	}
	return nil
}
