package postgres

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	//go:embed sql/login_role.sql
	loginRoleSQL string
	//go:embed sql/oldest_transaction.sql
	oldestTransactionSQL string
)

// OldestTransaction is the age of the oldest transaction in the database that the user of DATABASE_URL may see: of the
// service's own, and of everybody's when that user has the role pg_read_all_stats. It is 0 when there is none. One that
// stays open keeps dead rows from being cleaned up, which the sequencer then steps over.
func OldestTransaction(ctx context.Context, pool *pgxpool.Pool) (time.Duration, error) {
	var seconds float64
	err := InTx(ctx, pool, func(tx pgx.Tx) error {
		// A session's transaction is shown to the user who logged in; the roles that we set see nobody's.
		if _, err := tx.Exec(ctx, loginRoleSQL); err != nil {
			return err
		}
		return tx.QueryRow(ctx, oldestTransactionSQL).Scan(&seconds)
	})
	if err != nil {
		return 0, fmt.Errorf("look for the oldest transaction: %w", err)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
