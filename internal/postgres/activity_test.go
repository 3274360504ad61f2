package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

func TestOldestTransaction_IsSeenFromTheWorkersPool(t *testing.T) {
	t.Parallel()
	d := postgrestest.New(t)
	age, err := postgres.OldestTransaction(t.Context(), d.Worker)
	require.NoError(t, err)
	require.Zero(t, age)
	require.NoError(t, pgx.BeginFunc(t.Context(), d.App, func(pgx.Tx) error {
		require.Eventually(t, func() bool {
			age, err = postgres.OldestTransaction(t.Context(), d.Worker)
			return err == nil && age >= 50*time.Millisecond
		}, 20*time.Second, 10*time.Millisecond)
		return nil
	}))
	require.NoError(t, err)
	var role string
	for range 8 {
		require.NoError(t, d.Worker.QueryRow(t.Context(), "SELECT current_user").Scan(&role))
		require.Equal(t, string(postgres.Worker), role, "the connection is the worker's again")
	}
}
