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

// OldestTransaction returns the age of the oldest transaction in the database that the pool's role or its login may see:
// of the sessions of the same login, and of everybody's when one of the two has the role pg_read_all_stats. It is 0 when
// there is none. One that stays open keeps dead rows from being cleaned up, which the sequencer then steps over.
func OldestTransaction(ctx context.Context, pool *pgxpool.Pool) (time.Duration, error) {
	var asRole, asLogin float64
	err := InTx(ctx, pool, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, oldestTransactionSQL).Scan(&asRole); err != nil {
			return err
		}
		// A session's transaction is shown to the user who logged in; a role without pg_read_all_stats sees nobody's.
		if _, err := tx.Exec(ctx, loginRoleSQL); err != nil {
			return err
		}
		return tx.QueryRow(ctx, oldestTransactionSQL).Scan(&asLogin)
	})
	if err != nil {
		return 0, fmt.Errorf("look for the oldest transaction: %w", err)
	}
	return time.Duration(max(asRole, asLogin) * float64(time.Second)), nil
}
