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

// OldestTransaction returns the age of the oldest transaction in the database that the pool's role
// or its login may see: of the sessions of the same login, or of all sessions if one of the two has
// the role pg_read_all_stats. It is 0 if there is none. A long transaction prevents the cleanup of
// dead rows, which the sequencer must then skip.
func OldestTransaction(ctx context.Context, pool *pgxpool.Pool) (time.Duration, error) {
	var asRole, asLogin float64
	err := InTx(ctx, pool, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, oldestTransactionSQL).Scan(&asRole); err != nil {
			return err
		}
		// A session's transaction is visible to the user who logged in. A role without
		// pg_read_all_stats sees none.
		if _, err := tx.Exec(ctx, loginRoleSQL); err != nil {
			return err
		}
		return tx.QueryRow(ctx, oldestTransactionSQL).Scan(&asLogin)
	})
	if err != nil {
		return 0, fmt.Errorf("find the oldest transaction: %w", err)
	}
	return time.Duration(max(asRole, asLogin) * float64(time.Second)), nil
}
