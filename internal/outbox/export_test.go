package outbox

import (
	"github.com/jackc/pgx/v5"

	"carewire/internal/postgres/db"
)

// QueryRow adds a statement that is not one of sql/queries.
func (b *Batch) QueryRow(read func(row pgx.Row) error, sql string, args ...any) {
	b.statements.Batch.Queue(sql, args...).QueryRow(read)
}

// Queries returns the queries that add statements to the batch.
func (b *Batch) Queries() *db.Queries { return db.New(&b.statements) }
