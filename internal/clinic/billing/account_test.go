package billing_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
)

// step does something random to one of the invoices. A conflict is a valid result.
func (b *testBundle) step(t *testing.T, r *rand.Rand, invoices []billing.Invoice, name string) error {
	t.Helper()
	id, minor := invoices[r.IntN(len(invoices))].ID, 1+r.Int64N(6000)
	desk := by(b.receptionist)
	switch r.IntN(6) {
	case 0:
		_, err := b.bills.Credit(t.Context(), desk, id, note(minor))
		return err
	case 1:
		_, _, err := b.bills.Pay(t.Context(), desk, id, fromCredit(minor))
		return err
	case 2, 3:
		_, _, err := b.bills.Pay(t.Context(), desk, id, payment(2*minor, name))
		return err
	default:
		i, err := b.bills.Get(t.Context(), desk, id)
		if err != nil || len(i.Payments) == 0 {
			return err
		}
		p := i.Payments[r.IntN(len(i.Payments))]
		_, _, err = b.bills.Refund(t.Context(), desk, p.ID, billing.NewRefund{AmountMinor: minor, Reference: name, Reopen: r.IntN(2) == 0})
		return err
	}
}

func TestAccount_AddsUpAfterConcurrentOperations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	invoices := []billing.Invoice{b.issue(t), b.issue(t), b.issue(t)}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for worker, err := range at(8, func(worker int) error {
		r := rand.New(rand.NewPCG(seed, uint64(worker)))
		for n := range 25 {
			if err := b.step(t, r, invoices, fmt.Sprintf("%d-%d", worker, n)); err != nil && care.CodeOf(err) != care.Conflict {
				return err
			}
		}
		return nil
	}) {
		require.NoError(t, err, "worker %d", worker)
	}
	var owed int64
	for _, old := range invoices {
		i := b.get(t, old.ID)
		owed += i.BalanceMinor
		net := int64(0)
		for _, p := range i.Payments {
			net += p.AmountMinor - p.RefundedMinor
		}
		require.Equal(t, net, i.PaidMinor+i.ExcessMinor)
		require.Equal(t, i.TotalMinor-i.CreditedMinor-i.PaidMinor, i.BalanceMinor)
		require.GreaterOrEqual(t, i.BalanceMinor, int64(0))
		b.requireContiguous(t, i.ID)
	}
	st := b.statement(t, b.receptionist, func(f *billing.StatementFilter) { f.Limit = 200 })
	require.GreaterOrEqual(t, st.CreditMinor, int64(0))
	require.Equal(t, owed-st.CreditMinor, st.ClosingMinor, "the amount owed less the credit")
	var sum int64
	for _, e := range st.Items {
		sum += e.AmountMinor
		require.Equal(t, sum, e.BalanceMinor)
	}
	if st.Next == "" {
		require.Equal(t, st.ClosingMinor, sum)
	}
	require.Greater(t, len(b.Writes(t)), 40, "much was done")
}
