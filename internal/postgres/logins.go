package postgres

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed sql/login_excess.sql
var loginExcessSQL string

// LoginExcess returns what the pool's login can do beyond the role of the pool, one sentence each:
// being a superuser, bypassing row-level security, creating roles, becoming another role. It
// returns none for a login that can only become the role. A statement that leaves the role (SET
// ROLE, set_config) has these rights.
func LoginExcess(ctx context.Context, pool *pgxpool.Pool, role Role) ([]string, error) {
	rows, err := pool.Query(ctx, loginExcessSQL, string(role))
	if err != nil {
		return nil, fmt.Errorf("check the privileges of the database's login: %w", Translate(err))
	}
	excess, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("check the privileges of the database's login: %w", Translate(err))
	}
	return excess, nil
}
