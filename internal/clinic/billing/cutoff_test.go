package billing_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/billing"
)

// cutoff returns the version and the cause of the invoice's cut-off; 0 and "" without one.
func (b *testBundle) cutoff(t *testing.T, id uuid.UUID) (version int64, cause string) {
	t.Helper()
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `
		SELECT coalesce(max(version), 0), coalesce(max(cause_type), '') FROM subject_cutoffs WHERE subject = $1`, "invoice/"+id.String()).Scan(&version, &cause))
	return version, cause
}

func (b *testBundle) requireCutoff(t *testing.T, id uuid.UUID, version int64, cause string) {
	t.Helper()
	gotVersion, gotCause := b.cutoff(t, id)
	require.Equal(t, version, gotVersion)
	require.Equal(t, cause, gotCause)
}

func TestVoid_CutsOffReminders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	b.requireCutoff(t, i.ID, 0, "")
	_, err := b.bills.Void(t.Context(), by(b.receptionist), i.ID, i.Version)
	require.NoError(t, err)
	b.requireCutoff(t, i.ID, 2, "billing.invoice_voided")
}

func TestPay_CutsOffRemindersOnceNothingIsLeftToPay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	b.pay(t, i.ID, 4000, "pi_1")
	b.requireCutoff(t, i.ID, 0, "")
	last := b.pay(t, i.ID, 6000, "pi_2")
	b.requireCutoff(t, i.ID, 3, "billing.payment_received")
	b.pay(t, i.ID, 100, "pi_3")
	b.requireCutoff(t, i.ID, 3, "billing.payment_received")
	_, _, err := b.bills.Refund(t.Context(), by(b.receptionist), last.ID, billing.NewRefund{AmountMinor: 6000, Reference: "re_1"})
	require.NoError(t, err)
	b.requireCutoff(t, i.ID, 3, "billing.payment_received")
}

func TestCredit_CutsOffRemindersOnceNothingIsLeftToPay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	_, err := b.bills.Credit(t.Context(), by(b.receptionist), i.ID, note(4000))
	require.NoError(t, err)
	b.requireCutoff(t, i.ID, 0, "")
	_, err = b.bills.Credit(t.Context(), by(b.receptionist), i.ID, note(6000))
	require.NoError(t, err)
	b.requireCutoff(t, i.ID, 3, "billing.credit_note_issued")
}

func TestSweepOverdue_CutsOffTheRemindersThatItReplaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	require.Equal(t, 1, b.overdueAt(t, "2026-05-01T10:00:00Z"))
	b.requireCutoff(t, i.ID, i.Version+1, "billing.invoice_overdue")
}
