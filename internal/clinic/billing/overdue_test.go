package billing_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/billing"
)

func (b *testBundle) setTime(t *testing.T, moment string) {
	t.Helper()
	now, err := time.Parse(time.RFC3339, moment)
	require.NoError(t, err)
	b.bills.SetClock(func() time.Time { return now })
}

// overdueAt runs SweepOverdue at the given time and returns how many invoices it marked.
func (b *testBundle) overdueAt(t *testing.T, moment string) int {
	t.Helper()
	b.setTime(t, moment)
	n, err := b.bills.SweepOverdue(t.Context())
	require.NoError(t, err)
	return n
}

func TestOverdue_BeginsOnTheNextDayAtTheClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	berlin := b.issue(t)
	n := b.draft()
	n.ClinicID, n.PatientID = b.there, b.otherPatient.UserID
	honolulu, err := b.bills.Issue(t.Context(), by(b.otherDesk), n)
	require.NoError(t, err)

	// Due 30 April. Berlin is two hours ahead of UTC then, Honolulu ten behind.
	require.Zero(t, b.overdueAt(t, "2026-04-30T21:59:59Z"))
	require.Equal(t, 1, b.overdueAt(t, "2026-04-30T22:00:00Z"))
	e := b.Last(t)
	require.Equal(t, "billing.invoice_overdue", e.Type)
	require.Equal(t, "invoice/"+berlin.ID.String(), e.Subject)
	require.Equal(t, new(int64(2)), e.Version)
	require.Equal(t, "system:billing", e.ActorID)
	require.Equal(t, &b.patient.UserID, e.Person)
	require.Equal(t, "issued", e.Data["status"])
	require.True(t, b.get(t, berlin.ID).Overdue)
	require.Zero(t, b.overdueAt(t, "2026-05-01T09:59:59Z"), "it is told once")
	require.Equal(t, 1, b.overdueAt(t, "2026-05-01T10:00:00Z"))
	require.Equal(t, "invoice/"+honolulu.ID.String(), b.Last(t).Subject)
	b.requireContiguous(t, berlin.ID)
}

func TestOverdue_RequiresABalance(t *testing.T) {
	t.Parallel()
	b := setup(t)
	open, partly, paid, voided := b.issue(t), b.issue(t), b.issue(t), b.issue(t)
	b.pay(t, partly.ID, 1, "pi_1")
	p := b.pay(t, paid.ID, 10000, "pi_2")
	_, err := b.bills.Void(t.Context(), by(b.admin), voided.ID, 1)
	require.NoError(t, err)
	require.Equal(t, 2, b.overdueAt(t, "2026-05-02T00:00:00Z"))
	list, err := b.bills.List(t.Context(), by(b.admin), billing.Filter{Status: "overdue"})
	require.NoError(t, err)
	var ids []uuid.UUID
	for _, i := range list.Items {
		ids = append(ids, i.ID)
	}
	require.Equal(t, []uuid.UUID{partly.ID, open.ID}, ids)

	b.pay(t, open.ID, 10000, "pi_3")
	require.False(t, b.get(t, open.ID).Overdue, "paid")
	_, _, err = b.bills.Refund(t.Context(), by(b.admin), p.ID, billing.NewRefund{AmountMinor: 1, Reference: "re_1", Reopen: true})
	require.NoError(t, err)
	require.Equal(t, 1, b.overdueAt(t, "2026-05-02T00:00:00Z"), "a reopened amount is owed again")
	for _, i := range []billing.Invoice{open, partly, paid, voided} {
		b.requireContiguous(t, i.ID)
	}
}

func TestOverdue_MarksEachInvoiceOnceUnderConcurrency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, "UPDATE clinics SET time_zone = 'UTC'")
	i := b.issue(t)
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	b.bills.SetClock(func() time.Time { return now })
	for _, err := range at(8, func(n int) error {
		if n%2 == 0 {
			_, _, err := b.bills.Pay(t.Context(), by(b.receptionist), i.ID, payment(1, string(rune('a'+n))))
			return err
		}
		_, err := b.bills.SweepOverdue(t.Context())
		return err
	}) {
		require.NoError(t, err)
	}
	_, err := b.bills.SweepOverdue(t.Context()) // The sweeps above may each have skipped an invoice that a payment had locked.
	require.NoError(t, err)
	got := b.get(t, i.ID)
	require.True(t, got.Overdue)
	require.Equal(t, int64(6), got.Version)
	b.requireContiguous(t, i.ID)
}

func TestOverdue_SkipsClinicsWithAnUnknownTimeZone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	b.Exec(t, "UPDATE clinics SET time_zone = 'Mars/Olympus' WHERE id = $1", b.there)
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	b.bills.SetClock(func() time.Time { return now })
	n, err := b.bills.SweepOverdue(t.Context())
	require.ErrorContains(t, err, "time zone")
	require.Equal(t, 1, n)
	require.True(t, b.get(t, i.ID).Overdue)
}

func TestOverdue_ContinuesAfterAnInvoiceThatFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, "UPDATE clinics SET time_zone = 'UTC'")
	first, second, third := b.issue(t), b.issue(t), b.issue(t)
	b.Exec(t, `CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$`)
	b.Exec(t, `CREATE TRIGGER refuse_it BEFORE UPDATE ON invoices FOR EACH ROW WHEN (NEW.id = '`+first.ID.String()+`') EXECUTE FUNCTION refuse_it()`)
	b.bills.SetClock(func() time.Time { return time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) })
	n, err := b.bills.SweepOverdue(t.Context())
	require.ErrorContains(t, err, "P0001")
	require.Equal(t, 2, n)
	require.True(t, b.get(t, second.ID).Overdue)
	require.True(t, b.get(t, third.ID).Overdue)
	require.False(t, b.get(t, first.ID).Overdue)
}
