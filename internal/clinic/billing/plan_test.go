package billing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/db"
)

func TestQueries_UseIndexes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// There are enough other invoices to make a full scan more expensive than the index. A single
	// statement keeps the sums correct.
	b.Exec(t, `INSERT INTO users (id, email, given_name, family_name)
		SELECT md5(n::text)::uuid, n || '@x.example', 'x', 'y' FROM generate_series(1, 300) AS n`)
	b.Exec(t, `WITH written AS (
			INSERT INTO invoices (id, version, clinic_id, patient_id, currency, status, total_minor, paid_minor, due_on, issued_at,
				created_at, created_by, updated_at, updated_by)
			SELECT gen_random_uuid(), 1, $1, md5((n % 300 + 1)::text)::uuid, 'EUR', 'issued', 1, 0, '2099-01-01', now(),
				now() - n * interval '1 hour', 'x', now(), 'x'
			FROM generate_series(1, 4000) AS n
			RETURNING id
		)
		INSERT INTO invoice_lines SELECT id, 1, 'x', 1, 1, 1 FROM written`, b.there)
	b.issue(t)
	b.Exec(t, "ANALYZE invoices, clinics")
	far, clinics := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), []uuid.UUID{b.here}
	busy := uuid.MustParse("c4ca4238-a0b9-2382-0dcc-509a6f75849b") // md5('1')
	for _, c := range []struct {
		index, sql string
		args       []any
	}{
		{"invoices_patient_idx", db.InvoiceListOfPatient, []any{b.patient.UserID, true, uuid.Nil, "", false, far, uuid.Max, true, b.patient.UserID, clinics, int32(51)}},
		{"invoices_clinic_idx", db.InvoiceListVisible, []any{int32(51), true, b.admin.UserID, true, uuid.Nil, false, far, uuid.Max, clinics}},
		{"invoices_clinic_status_idx", db.InvoiceListInStatus, []any{int32(51), true, b.admin.UserID, true, uuid.Nil, "draft", far, uuid.Max, clinics}},
		{"invoices_patient_idx", db.StatementRead, []any{busy, b.there, "EUR", time.Time{}.AddDate(1, 0, 0), far, time.Time{}.AddDate(1, 0, 0), uuid.Nil, int32(51)}},
		{"invoices_patient_idx", db.StatementCurrencyList, []any{busy, b.there}},
		{"invoices_due_idx", db.InvoiceMarkOverdue, []any{"system:billing", time.Now(), "Europe/Berlin", int32(0), int32(200)}},
	} {
		rows, err := b.db.App.Query(t.Context(), "EXPLAIN "+c.sql, c.args...)
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		plan := strings.Join(lines, "\n")
		require.Contains(t, plan, c.index)
		require.NotContains(t, plan, "Seq Scan on invoices")
	}
}
