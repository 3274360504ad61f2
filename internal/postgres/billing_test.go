package postgres_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

func TestMigrate_KeepsInvoicesAsTheyWereAndMakesReferencesTheirClinics(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewEmpty(t)
	migrateBefore(t, url, "credit_notes")
	owner := open(t, url, postgres.Owner)
	exec := func(sql string, args ...any) {
		_, err := owner.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	here, there, patient, paid, refunded := uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New()
	exec(`INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Here', 'UTC'), ($2, 'There', 'UTC')`, here, there)
	exec(`INSERT INTO users (id, email, given_name, family_name) VALUES ($1, 'a@b.example', 'A', 'B')`, patient)
	const invoice = `WITH i AS (
			INSERT INTO invoices (id, version, clinic_id, patient_id, currency, status, total_minor, paid_minor, due_on, issued_at, created_at, created_by, updated_at, updated_by)
			VALUES ($1, 3, $2, $3, 'EUR', $4, 50, $5, '2026-01-31', now(), now(), '', now(), '')
		), l AS (
			INSERT INTO invoice_lines (invoice_id, line, description, quantity, unit_minor, amount_minor) VALUES ($1, 1, 'Visit', 2, 25, 50)
		), p AS (
			INSERT INTO payments (id, invoice_id, amount_minor, provider, provider_reference, received_at, received_by) VALUES ($1, $1, 50, 'credit', $6, now(), '')
		)
		INSERT INTO refunds (id, payment_id, amount_minor, provider, provider_reference, made_at, made_by) SELECT $1, $1, 50, 'credit', $6, now(), '' WHERE $5 = 0`
	exec(invoice, paid, here, patient, "paid", 50, "R-1")
	exec(invoice, refunded, here, patient, "issued", 0, "R-2")

	require.NoError(t, postgres.Migrate(t.Context(), url, silent))
	require.Equal(t, []string{"paid 50 0", "issued 0 0"}, texts(t, owner, `SELECT concat_ws(' ', status, paid_minor, credited_minor) FROM invoices ORDER BY paid_minor DESC`))
	require.Equal(t, []string{"2", "1"}, texts(t, owner, `SELECT count(*)::text FROM payments WHERE clinic_id = $1 AND NOT from_credit
		UNION ALL SELECT count(*)::text FROM refunds WHERE clinic_id = $1 AND reopened IS NULL`, here), "a provider called credit was a provider")
	require.Equal(t, []string{"0"}, texts(t, owner, `SELECT credit_balance($1, $2, 'EUR')::text`, here, patient))
	require.Equal(t, []string{"50"}, texts(t, owner, `SELECT sum(amount_minor)::text FROM statement_entries WHERE patient_id = $1 AND clinic_id = $2`, patient, here))
	const again = `WITH i AS (
			INSERT INTO invoices (id, version, clinic_id, patient_id, currency, status, total_minor, paid_minor, due_on, issued_at, created_at, created_by, updated_at, updated_by)
			VALUES ($1, 1, $2, $3, 'EUR', 'paid', 50, 50, '2026-01-31', now(), now(), '', now(), '')
		), l AS (
			INSERT INTO invoice_lines (invoice_id, line, description, quantity, unit_minor, amount_minor) VALUES ($1, 1, 'Visit', 2, 25, 50)
		)
		INSERT INTO payments (id, invoice_id, clinic_id, amount_minor, provider, provider_reference, received_at, received_by) VALUES ($1, $1, $2, 50, 'credit', 'R-1', now(), '')`
	exec(again, uuid.New(), there, patient)
	_, err := owner.Exec(t.Context(), again, uuid.New(), here, patient)
	require.ErrorContains(t, err, "payments_clinic_reference_key")
	require.Empty(t, texts(t, owner, `SELECT conname::text FROM pg_constraint
		WHERE conrelid IN ('invoices'::regclass, 'invoice_lines'::regclass, 'payments'::regclass, 'refunds'::regclass) AND NOT convalidated`))
}
