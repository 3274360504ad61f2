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
	"carewire/internal/care/billing"
)

func TestPay_SettlesTheInvoiceStepByStep(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	p := b.pay(t, i.ID, 4000, "pi_1")
	require.Equal(t, billing.StatusPartlyPaid, b.get(t, i.ID).Status)
	_, _, err := b.bills.Pay(t.Context(), by(b.receptionist), i.ID, payment(6001, "pi_2"))
	requireCode(t, err, care.Conflict, "amountMinor")
	b.pay(t, i.ID, 6000, "pi_2")
	got := b.get(t, i.ID)
	require.Equal(t, billing.StatusPaid, got.Status)
	require.Equal(t, int64(10000), got.PaidMinor)
	require.Equal(t, p, got.Payments[0])
	_, _, err = b.bills.Pay(t.Context(), by(b.receptionist), i.ID, payment(1, "pi_3"))
	requireCode(t, err, care.Conflict)

	events := b.outbox(t)
	require.Equal(t, []string{"billing.invoice_issued", "billing.payment_received", "billing.payment_received"}, types(events))
	require.Equal(t, map[string]any{
		"invoiceId": i.ID.String(), "userId": b.patient.ID, "clinicId": b.here.String(), "status": "partly_paid", "paymentId": p.ID.String(),
	}, events[1].Data)
	b.requireContiguous(t, i.ID)
}

func TestPay_RefusesWhatIsNoPayment(t *testing.T) {
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
	require.Zero(t, b.count(t, "payments"))
}

func TestPay_TakesOneReferenceOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i, other := b.issue(t), b.issue(t)
	p := b.pay(t, i.ID, 10000, "pi_1")
	before := b.outbox(t)
	again, first, err := b.bills.Pay(t.Context(), by(b.admin), i.ID, payment(10000, "pi_1"))
	require.NoError(t, err)
	require.False(t, first)
	require.Equal(t, p, again)
	_, _, err = b.bills.Pay(t.Context(), by(b.receptionist), i.ID, payment(9999, "pi_1"))
	requireCode(t, err, care.Conflict, "reference")
	_, _, err = b.bills.Pay(t.Context(), by(b.receptionist), other.ID, payment(10000, "pi_1"))
	requireCode(t, err, care.Conflict, "reference")
	require.Equal(t, before, b.outbox(t), "what is told again is no news")
	_, first, err = b.bills.Pay(t.Context(), by(b.receptionist), other.ID, billing.NewPayment{AmountMinor: 10000, Provider: "paypal", Reference: "pi_1"})
	require.NoError(t, err)
	require.True(t, first, "another provider's references are its own")
}

// at runs fn n times at once and gives the errors.
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

func TestPay_NeverTakesMoreThanIsOwedUnderManyPaymentsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	taken := 0
	for _, err := range at(12, func(n int) error {
		_, _, err := b.bills.Pay(t.Context(), by(b.receptionist), i.ID, payment(3000, fmt.Sprint(n)))
		return err
	}) {
		if err == nil {
			taken++
			continue
		}
		requireCode(t, err, care.Conflict, "amountMinor")
	}
	require.Equal(t, 3, taken, "a fourth would not fit in 100.00")
	got := b.get(t, i.ID)
	require.Equal(t, int64(9000), got.PaidMinor)
	require.Len(t, got.Payments, 3)
	require.Equal(t, int64(4), got.Version)
	b.requireContiguous(t, i.ID)
}

func TestPay_MakesOnePaymentOfOneReferenceToldManyTimesAtOnce(t *testing.T) {
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
	require.Equal(t, []string{"billing.invoice_issued", "billing.payment_received"}, types(b.outbox(t)))
}

func TestPay_LetsOneOfTwoInvoicesHaveAReferenceToldForBothAtOnce(t *testing.T) {
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
	require.Equal(t, 1, b.count(t, "payments"))
}

func TestRefund_GivesBackAtMostThePaymentAndOpensTheInvoiceAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	p := b.pay(t, i.ID, 10000, "pi_1")
	give := func(minor int64, reference string) (billing.Refund, bool, error) {
		return b.bills.Refund(t.Context(), by(b.admin), p.ID, billing.NewRefund{AmountMinor: minor, Reference: reference})
	}
	r, first, err := give(4000, "re_1")
	require.NoError(t, err)
	require.True(t, first)
	require.Equal(t, i.ID, r.InvoiceID)
	require.Equal(t, "billing.refund_made", b.last(t).Type)
	require.Equal(t, "partly_paid", b.last(t).Data["status"])
	require.Equal(t, p.ID.String(), b.last(t).Data["paymentId"])
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
	require.Equal(t, int64(10000), got.Payments[0].RefundedMinor)
	b.requireContiguous(t, i.ID)
}

func TestDatabase_RefusesNumbersThatDoNotAddUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	p := b.pay(t, i.ID, 4000, "pi_1")
	_, _, err := b.bills.Refund(t.Context(), by(b.admin), p.ID, billing.NewRefund{AmountMinor: 1000, Reference: "re_1"})
	require.NoError(t, err)
	for name, c := range map[string]struct{ constraint, sql string }{
		"a total changed":                 {"invoices_total_is_sum_of_lines", "UPDATE invoices SET total_minor = total_minor + 1"},
		"a line changed":                  {"invoices_total_is_sum_of_lines", "UPDATE invoice_lines SET quantity = 3, amount_minor = 9000 WHERE line = 1"},
		"a line removed":                  {"invoices_total_is_sum_of_lines", "DELETE FROM invoice_lines WHERE line = 2"},
		"a line added":                    {"invoices_total_is_sum_of_lines", "INSERT INTO invoice_lines SELECT id, 3, 'x', 1, 1, 1 FROM invoices"},
		"an amount that is no product":    {"invoice_lines_amount_is_product", "UPDATE invoice_lines SET amount_minor = amount_minor + 1 WHERE line = 1"},
		"paid more than the total":        {"invoices_never_overpaid", "UPDATE invoices SET paid_minor = total_minor + 1, status = 'paid'"},
		"paid without a payment":          {"invoices_paid_is_sum_of_payments", "UPDATE invoices SET paid_minor = paid_minor + 1"},
		"a payment that does not count":   {"invoices_paid_is_sum_of_payments", "INSERT INTO payments SELECT gen_random_uuid(), id, 1, 'x', 'x', now(), 'x' FROM invoices"},
		"a payment changed":               {"invoices_paid_is_sum_of_payments", "UPDATE payments SET amount_minor = 5000"},
		"a payment of nothing":            {"payments_amount_positive", "UPDATE payments SET amount_minor = 0"},
		"a refund changed":                {"invoices_paid_is_sum_of_payments", "UPDATE refunds SET amount_minor = 1"},
		"a refund removed":                {"invoices_paid_is_sum_of_payments", "DELETE FROM refunds"},
		"a refund beyond the payment":     {"refunds_within_payment", "UPDATE refunds SET amount_minor = 4001"},
		"a refund by another provider":    {"refunds_payment_id_fkey", "UPDATE refunds SET provider = 'x'"},
		"a status that tells of no sum":   {"invoices_status_tells_paid", "UPDATE invoices SET status = 'paid'"},
		"a void invoice with money on it": {"invoices_status_tells_paid", "UPDATE invoices SET status = 'void'"},
		"a reference taken twice":         {"payments_provider_reference_key", "INSERT INTO payments SELECT gen_random_uuid(), invoice_id, 1, provider, provider_reference, now(), 'x' FROM payments"},
	} {
		err := pgx.BeginFunc(t.Context(), b.db.Owner, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), c.sql)
			return err
		})
		var refused *pgconn.PgError
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, c.constraint, refused.ConstraintName, name)
	}
	require.Equal(t, int64(3000), b.get(t, i.ID).PaidMinor, "nothing of it stayed")
	for _, sql := range []string{"DELETE FROM invoices", "UPDATE payments SET amount_minor = 1", "DELETE FROM refunds", "UPDATE invoice_lines SET quantity = 1"} {
		_, err := b.db.App.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "permission denied", sql)
	}
}
