package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

const addClinic = `INSERT INTO clinics (id, name, time_zone) VALUES ('01890000-0000-7000-8000-000000000001', 'North', 'UTC')`

func clinics(t *testing.T, db *postgrestest.DB) (n int) {
	t.Helper()
	require.NoError(t, db.App.QueryRow(t.Context(), "SELECT count(*) FROM clinics").Scan(&n))
	return n
}

func TestInTx_CommitsWhatSucceedsAtReadCommitted(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	conn, err := postgres.ConnectListener(t.Context(), postgres.Config{URL: db.URL})
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(t.Context(), "ALTER DATABASE "+conn.Config().Database+" SET default_transaction_isolation = 'serializable'")
	require.NoError(t, err)
	pool := db.Pool(t, postgres.App, 2)
	require.NoError(t, postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
		var level string
		if err := tx.QueryRow(t.Context(), "SHOW transaction_isolation").Scan(&level); err != nil {
			return err
		}
		require.Equal(t, "read committed", level)
		_, err := tx.Exec(t.Context(), addClinic)
		return err
	}))
	require.Equal(t, 1, clinics(t, db))
}

func TestInReadTx_ReadsAndRefusesWrites(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	require.NoError(t, postgres.InReadTx(t.Context(), db.App, func(tx pgx.Tx) error {
		var level string
		require.NoError(t, tx.QueryRow(t.Context(), "SHOW transaction_isolation").Scan(&level))
		require.Equal(t, "read committed", level)
		return nil
	}))
	err := postgres.InReadTx(t.Context(), db.App, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), addClinic)
		return err
	})
	require.Equal(t, care.Unavailable, care.CodeOf(err), "%v", err)
	require.Zero(t, clinics(t, db))
}

func TestInTx_RollsBackWhatFailsAndTranslatesTheError(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	ours := errors.New("ours")
	err := postgres.InTx(t.Context(), db.App, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), addClinic)
		require.NoError(t, err)
		return ours
	})
	require.ErrorIs(t, err, ours)
	require.Zero(t, clinics(t, db))

	err = postgres.InTx(t.Context(), db.App, func(tx pgx.Tx) error {
		for range 2 {
			if _, err := tx.Exec(t.Context(), addClinic); err != nil {
				return err
			}
		}
		return nil
	})
	require.Equal(t, care.Conflict, care.CodeOf(err))
	require.Zero(t, clinics(t, db))
}

func TestInTx_FreesItsConnectionWhenTheFunctionPanics(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	pool := db.Pool(t, postgres.App, 1)
	require.PanicsWithValue(t, "ours", func() {
		_ = postgres.InTx(t.Context(), pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), addClinic)
			require.NoError(t, err)
			panic("ours")
		})
	})
	require.Zero(t, pool.Stat().AcquiredConns())
	require.Zero(t, clinics(t, db))
}

func TestInTx_ReturnsAnEndedContextUnchanged(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := postgres.InTx(ctx, db.App, func(tx pgx.Tx) error {
		cancel()
		_, err := tx.Exec(ctx, addClinic)
		return err
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, care.CodeOf(err))
	require.Zero(t, clinics(t, db))
}
