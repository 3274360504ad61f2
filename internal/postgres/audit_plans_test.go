package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

// requireAuditPlans checks the plans of the audit trail. Its statements contain their values, so that
// the service cannot explain them: they are those of the function audit.positions.
func requireAuditPlans(t *testing.T, base *postgrestest.DB, pageCost string) {
	t.Helper()
	now := time.Now()
	for _, c := range []struct {
		name string
		most float64
		args []any
	}{
		{"the story of a subject with many events", 2000, []any{"patient/busy", nil, nil, nil, nil, nil, nil}},
		{"the end of a long story", 40000, []any{"patient/busy", nil, nil, nil, nil, nil, 110000}},
		{"a person", 1000, []any{nil, numbered('a', 7), nil, nil, nil, nil, nil}},
		{"an actor", 1000, []any{nil, nil, numbered('a', 7).String(), nil, nil, nil, nil}},
		{"a rare type", 1000, []any{nil, nil, nil, []string{"access.denied"}, nil, nil, nil}},
		{"a frequent type", 1000, []any{nil, nil, nil, []string{"notification.sent"}, nil, nil, nil}},
		{"a period", 1000, []any{nil, nil, nil, nil, now.Add(-time.Hour), now.Add(time.Hour), nil}},
		{"a period without events", 1000, []any{nil, nil, nil, nil, now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0), nil}},
		{"a person in a period", 1000, []any{nil, numbered('a', 7), nil, []string{"record.read", "user.searched"}, now.Add(-time.Hour), now.Add(time.Hour), nil}},
	} {
		t.Run("audit trail of "+c.name, func(t *testing.T) {
			e := explainer{t: t, pageCost: pageCost}
			require.NoError(t, postgres.InTx(t.Context(), base.Owner, func(tx pgx.Tx) error {
				var query string
				require.NoError(t, tx.QueryRow(t.Context(), "SELECT audit.positions_query($1, $2, $3, $4, $5, $6, $7, NULL, 101)", c.args...).Scan(&query))
				_, err := tx.Exec(t.Context(), "SET LOCAL enable_seqscan = off") // As in the function.
				require.NoError(t, err)
				e.tx = tx
				e.explain(t.Context(), query, nil)
				return nil
			}))
			require.LessOrEqual(t, e.custom.touched(), c.most, "rows that are read")
			require.Empty(t, e.custom.scanned(), "read from beginning to end")
		})
	}
}
