package billing_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
)

func TestPay_SettlesTheInvoiceStepByStep(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	p := b.pay(t, i.ID, 4000, "pi_1")
	require.Equal(t, billing.StatusPartlyPaid, b.get(t, i.ID).Status)
	require.Equal(t, int64(6000), b.get(t, i.ID).BalanceMinor)
	b.pay(t, i.ID, 6000, "pi_2")
	got := b.get(t, i.ID)
	require.Equal(t, billing.StatusPaid, got.Status)
	require.Equal(t, int64(10000), got.PaidMinor)
	require.Equal(t, p, got.Payments[0])
	require.Zero(t, got.BalanceMinor)

	events := b.Writes(t)
	require.Equal(t, []string{"billing.invoice_issued", "billing.payment_received", "billing.payment_received"}, types(events))
	require.Equal(t, map[string]any{
		"invoiceId": i.ID.String(), "userId": b.patient.ID, "clinicId": b.here.String(), "status": "partly_paid", "paymentId": p.ID.String(),
	}, events[1].Data)
	b.requireContiguous(t, i.ID)
}

func TestPay_ChecksItsInput(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	for field, n := range map[string]billing.NewPayment{
		"amountMinor": {AmountMinor: 0, Provider: "stripe", Reference: "x"},
		"provider":    {AmountMinor: 1, Provider: "Stripe!", Reference: "x"},
		"reference":   {AmountMinor: 1, Provider: "stripe", Reference: ""},
	} {
		_, _, err := b.bills.Pay(t.Context(), by(b.receptionist), i.ID, n)
		requireCode(t, err, care.Invalid, field)
	}
	require.Zero(t, b.Count(t, "payments"))
}

func TestPay_RecordsAReferenceOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, other := b.issue(t), b.issue(t)
	p := b.pay(t, i.ID, 10000, "pi_1")
	before := b.Writes(t)
	again, first, err := b.bills.Pay(t.Context(), by(b.admin), i.ID, payment(10000, "pi_1"))
	require.NoError(t, err)
	require.False(t, first)
	require.Equal(t, p, again)
	_, _, err = b.bills.Pay(t.Context(), by(b.receptionist), i.ID, payment(9999, "pi_1"))
	requireCode(t, err, care.Conflict, "reference")
	_, _, err = b.bills.Pay(t.Context(), by(b.receptionist), other.ID, payment(10000, "pi_1"))
	requireCode(t, err, care.Conflict, "reference")
	require.Equal(t, before, b.Writes(t), "what is told again is no news")
	_, first, err = b.bills.Pay(t.Context(), by(b.receptionist), other.ID, billing.NewPayment{AmountMinor: 10000, Provider: "paypal", Reference: "pi_1"})
	require.NoError(t, err)
	require.True(t, first, "another provider's references are its own")
}

// at runs fn n times concurrently and returns the errors.
func at(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func TestPay_TurnsExcessIntoCreditUnderConcurrency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	for _, err := range at(12, func(n int) error {
		_, _, err := b.bills.Pay(t.Context(), by(b.receptionist), i.ID, payment(3000, fmt.Sprint(n)))
		return err
	}) {
		require.NoError(t, err)
	}
	got := b.get(t, i.ID)
	require.Equal(t, billing.StatusPaid, got.Status)
	require.Equal(t, int64(10000), got.PaidMinor, "never more than the total")
	require.Equal(t, int64(26000), got.ExcessMinor)
	require.Zero(t, got.BalanceMinor)
	require.Equal(t, int64(26000), b.credit(t))
	require.Len(t, got.Payments, 12)
	require.Equal(t, int64(13), got.Version)
	b.requireContiguous(t, i.ID)
}

func TestPay_RecordsAReferenceOnceUnderConcurrency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	ids, firsts := make([]uuid.UUID, 12), make([]bool, 12)
	for _, err := range at(12, func(n int) error {
		p, first, err := b.bills.Pay(t.Context(), by(b.receptionist), i.ID, payment(2500, "pi_1"))
		ids[n], firsts[n] = p.ID, first
		return err
	}) {
		require.NoError(t, err)
	}
	count := 0
	for n := range ids {
		require.Equal(t, ids[0], ids[n])
		if firsts[n] {
			count++
		}
	}
	require.Equal(t, 1, count)
	require.Equal(t, int64(2500), b.get(t, i.ID).PaidMinor)
	require.Equal(t, []string{"billing.invoice_issued", "billing.payment_received"}, types(b.Writes(t)))
}

func TestPay_RecordsAReferenceForOneOfTwoInvoicesUnderConcurrency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	invoices := []billing.Invoice{b.issue(t), b.issue(t)}
	failed := 0
	for _, err := range at(8, func(n int) error {
		_, _, err := b.bills.Pay(t.Context(), by(b.receptionist), invoices[n%2].ID, payment(100, "pi_1"))
		return err
	}) {
		if err != nil {
			requireCode(t, err, care.Conflict, "reference")
			failed++
		}
	}
	require.Equal(t, 4, failed)
	require.Equal(t, 1, b.Count(t, "payments"))
}

func TestRefund_IsAtMostThePaymentAndMayReopenTheInvoice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	p := b.pay(t, i.ID, 10000, "pi_1")
	give := func(minor int64, reference string) (billing.Refund, bool, error) {
		return b.bills.Refund(t.Context(), by(b.admin), p.ID, billing.NewRefund{AmountMinor: minor, Reference: reference, Reopen: true})
	}
	r, first, err := give(4000, "re_1")
	require.NoError(t, err)
	require.True(t, first)
	require.Equal(t, i.ID, r.InvoiceID)
	require.Equal(t, "billing.refund_made", b.Last(t).Type)
	require.Equal(t, "partly_paid", b.Last(t).Data["status"])
	require.Equal(t, p.ID.String(), b.Last(t).Data["paymentId"])
	again, first, err := give(4000, "re_1")
	require.NoError(t, err)
	require.False(t, first)
	require.Equal(t, r, again)
	_, _, err = give(1, "re_1")
	requireCode(t, err, care.Conflict, "reference")
	_, _, err = give(6001, "re_2")
	requireCode(t, err, care.Conflict, "amountMinor")

	taken := 0
	for _, err := range at(8, func(n int) error {
		_, _, err := give(2500, fmt.Sprint("race", n))
		return err
	}) {
		if err == nil {
			taken++
			continue
		}
		requireCode(t, err, care.Conflict, "amountMinor")
	}
	require.Equal(t, 2, taken)
	_, _, err = give(1000, "re_3")
	require.NoError(t, err)
	got := b.get(t, i.ID)
	require.Equal(t, billing.StatusIssued, got.Status)
	require.Zero(t, got.PaidMinor)
	require.Equal(t, int64(10000), got.BalanceMinor)
	require.Empty(t, got.CreditNotes)
	require.Equal(t, int64(10000), got.Payments[0].RefundedMinor)
	b.requireContiguous(t, i.ID)
}

func TestDatabase_RefusesInconsistentAmounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	p := b.pay(t, i.ID, 4000, "pi_1")
	b.refund(t, p.ID, billing.NewRefund{AmountMinor: 1000, Reference: "re_1", Reopen: true})
	_, err := b.bills.Credit(t.Context(), by(b.admin), i.ID, note(1000))
	require.NoError(t, err)
	for name, c := range map[string]struct{ constraint, sql string }{
		"a total changed":                 {"invoices_total_is_sum_of_lines", "UPDATE invoices SET total_minor = total_minor + 1"},
		"a line changed":                  {"invoices_total_is_sum_of_lines", "UPDATE invoice_lines SET quantity = 3, amount_minor = 9000 WHERE line = 1"},
		"a line removed":                  {"invoices_total_is_sum_of_lines", "DELETE FROM invoice_lines WHERE line = 2"},
		"a line added":                    {"invoices_total_is_sum_of_lines", "INSERT INTO invoice_lines SELECT id, 3, 'x', 1, 1, 1 FROM invoices"},
		"a discount that is not taken":    {"invoice_lines_amount_is_product", "UPDATE invoice_lines SET discount_bps = 100"},
		"a tax that is not charged":       {"invoice_lines_tax_is_share", "UPDATE invoice_lines SET tax_bps = 100"},
		"a tax that is not in the total":  {"invoices_total_is_sum_of_lines", "UPDATE invoice_lines SET tax_bps = 10000, tax_minor = amount_minor"},
		"an amount that is no product":    {"invoice_lines_amount_is_product", "UPDATE invoice_lines SET amount_minor = amount_minor + 1 WHERE line = 1"},
		"paid more than the total":        {"invoices_balance_not_negative", "UPDATE invoices SET paid_minor = total_minor + 1, status = 'paid'"},
		"credited without a note":         {"invoices_credited_is_sum_of_notes", "UPDATE invoices SET credited_minor = credited_minor + 1"},
		"a note that does not count":      {"invoices_credited_is_sum_of_notes", "WITH n AS (INSERT INTO credit_notes SELECT gen_random_uuid(), id, 9, clinic_id, NULL, 'x', 'x', NULL, 1, now(), 'x' FROM invoices RETURNING id) INSERT INTO credit_note_lines SELECT id, 1, 'x', 1, 1, 0, 0, 1, 0 FROM n"},
		"a note beyond its lines":         {"credit_notes_total_is_sum_of_lines", "UPDATE credit_note_lines SET quantity = 2, amount_minor = 2 * amount_minor"},
		"a note of another clinic":        {"invoices_clinic_is_one", "UPDATE credit_notes SET clinic_id = (SELECT id FROM clinics WHERE id NOT IN (SELECT clinic_id FROM invoices))"},
		"a payment of another clinic":     {"invoices_clinic_is_one", "UPDATE payments SET clinic_id = gen_random_uuid()"},
		"a refund of another clinic":      {"invoices_clinic_is_one", "UPDATE refunds SET clinic_id = gen_random_uuid()"},
		"more credit than there is":       {"payments_credit", "UPDATE payments SET from_credit = true"},
		"paid without a payment":          {"invoices_paid_is_sum_of_payments", "UPDATE invoices SET paid_minor = paid_minor + 1"},
		"a payment that does not count":   {"invoices_paid_is_sum_of_payments", "INSERT INTO payments SELECT gen_random_uuid(), id, 1, 'x', 'x', now(), 'x', clinic_id FROM invoices"},
		"a payment changed":               {"invoices_paid_is_sum_of_payments", "UPDATE payments SET amount_minor = 5000"},
		"a payment of nothing":            {"payments_amount_positive", "UPDATE payments SET amount_minor = 0"},
		"a refund changed":                {"invoices_paid_is_sum_of_payments", "UPDATE refunds SET amount_minor = 1"},
		"a refund removed":                {"invoices_paid_is_sum_of_payments", "DELETE FROM refunds"},
		"a refund beyond the payment":     {"refunds_within_payment", "UPDATE refunds SET amount_minor = 4001"},
		"a refund by another provider":    {"refunds_payment_id_fkey", "UPDATE refunds SET provider = 'x'"},
		"a status that tells of no sum":   {"invoices_status_tells_paid", "UPDATE invoices SET status = 'paid'"},
		"a void invoice with money on it": {"invoices_status_tells_paid", "UPDATE invoices SET status = 'void'"},
		"a reference taken twice":         {"payments_clinic_reference_key", "INSERT INTO payments SELECT gen_random_uuid(), invoice_id, 1, provider, provider_reference, now(), 'x', clinic_id FROM payments"},
	} {
		err := pgx.BeginFunc(t.Context(), b.db.Owner, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), c.sql)
			return err
		})
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, c.constraint, refused.ConstraintName, name)
	}
	require.Equal(t, int64(3000), b.get(t, i.ID).PaidMinor, "rolled back")
	for _, sql := range []string{"DELETE FROM invoices", "UPDATE payments SET amount_minor = 1", "DELETE FROM refunds", "UPDATE invoice_lines SET quantity = 1"} {
		_, err := b.db.App.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "permission denied", sql)
	}
}
