package billing_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
)

// note returns a credit note over the amount.
func note(minor int64) billing.NewCreditNote {
	return billing.NewCreditNote{Reason: "Goodwill", Lines: []billing.Line{{Description: "Goodwill", Quantity: 1, UnitMinor: minor}}}
}

func (b *testBundle) refund(t *testing.T, paymentID uuid.UUID, n billing.NewRefund) billing.Refund {
	t.Helper()
	r, first, err := b.bills.Refund(t.Context(), by(b.receptionist), paymentID, n)
	require.NoError(t, err)
	require.True(t, first)
	return r
}

func TestRefund_CreditsTheAmountUnlessItReopens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	p := b.pay(t, i.ID, 10000, "pi_1")
	part := b.refund(t, p.ID, billing.NewRefund{AmountMinor: 1000, Reference: "re_1", Reason: "Too dear"})
	require.False(t, part.Reopened)
	require.NotNil(t, part.CreditNoteID)
	got := b.get(t, i.ID)
	require.Equal(t, billing.StatusPaid, got.Status)
	require.Equal(t, []int64{1000, 9000, 0}, []int64{got.CreditedMinor, got.PaidMinor, got.BalanceMinor})
	require.Equal(t, "CN-1", got.CreditNotes[0].Number)
	require.Equal(t, "Too dear", got.CreditNotes[0].Reason)
	require.Equal(t, &part.ID, got.CreditNotes[0].RefundID)

	b.refund(t, p.ID, billing.NewRefund{AmountMinor: 9000, Reference: "re_2"})
	got = b.get(t, i.ID)
	require.Equal(t, billing.StatusCredited, got.Status)
	require.Equal(t, []int64{10000, 0, 0, 0}, []int64{got.CreditedMinor, got.PaidMinor, got.ExcessMinor, got.BalanceMinor})
	require.Zero(t, b.overdueAt(t, "2026-06-01T00:00:00Z"), "nothing is owed")
	_, err := b.bills.Void(t.Context(), by(b.receptionist), i.ID, got.Version)
	requireCode(t, err, care.Conflict)
	require.ErrorContains(t, err, "fully credited")
	b.requireContiguous(t, i.ID)

	events := b.Writes(t)
	require.Equal(t, []string{"billing.invoice_issued", "billing.payment_received", "billing.refund_made", "billing.credit_note_issued", "billing.refund_made", "billing.credit_note_issued"}, types(events))
	require.Equal(t, part.ID.String(), events[3].Data["refundId"], "rules notify about the refund only")
	require.Equal(t, part.CreditNoteID.String(), events[2].Data["creditNoteId"])
	require.Equal(t, "credited", events[4].Data["status"])
}

func TestRefund_OfAllOfAnInvoiceCreditsItsLinesWithTheirTax(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := b.draft()
	n.Lines[0].TaxBps, n.Lines[1].DiscountBps = 1900, 500
	i, err := b.bills.Issue(t.Context(), by(b.receptionist), n)
	require.NoError(t, err)
	p := b.pay(t, i.ID, i.TotalMinor, "pi_1")
	b.refund(t, p.ID, billing.NewRefund{AmountMinor: i.TotalMinor, Reference: "re_1"})
	got := b.get(t, i.ID)
	require.Equal(t, i.Lines, got.CreditNotes[0].Lines)
	require.Equal(t, i.TaxMinor, got.CreditNotes[0].TaxMinor)
	require.Equal(t, "Refund", got.CreditNotes[0].Reason)
}

func TestRefund_RepeatedIsTheFirstOnlyIfItReopensToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.pay(t, b.issue(t).ID, 10000, "pi_1")
	n := billing.NewRefund{AmountMinor: 1000, Reference: "re_1"}
	r := b.refund(t, p.ID, n)
	before := b.Writes(t)
	again, first, err := b.bills.Refund(t.Context(), by(b.receptionist), p.ID, n)
	require.NoError(t, err)
	require.False(t, first)
	require.Equal(t, r, again)
	n.Reopen = true
	_, _, err = b.bills.Refund(t.Context(), by(b.receptionist), p.ID, n)
	requireCode(t, err, care.Conflict, "reference")
	b.Exec(t, "UPDATE refunds SET reopened = NULL")
	again, _, err = b.bills.Refund(t.Context(), by(b.receptionist), p.ID, n)
	require.NoError(t, err, "of one from before it is not known")
	require.True(t, again.Reopened)
	require.Equal(t, before, b.Writes(t))
}

func TestCredit_ReducesTheBalanceAndTurnsPaymentsIntoCredit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	first, err := b.bills.Credit(t.Context(), by(b.receptionist), i.ID, note(4000))
	require.NoError(t, err)
	require.Equal(t, "CN-1", first.Number)
	require.Equal(t, int64(2), first.InvoiceVersion)
	require.Equal(t, "billing.credit_note_issued", b.Last(t).Type)
	require.Equal(t, map[string]any{
		"invoiceId": i.ID.String(), "userId": b.patient.ID, "clinicId": b.here.String(), "status": "issued", "creditNoteId": first.ID.String(),
	}, b.Last(t).Data, "and no amounts, numbers or reasons")
	p := b.pay(t, i.ID, 5000, "pi_1")
	got := b.get(t, i.ID)
	require.Equal(t, billing.StatusPartlyPaid, got.Status)
	require.Equal(t, int64(1000), got.BalanceMinor)
	require.Equal(t, first, got.CreditNotes[0])

	_, err = b.bills.Credit(t.Context(), by(b.receptionist), i.ID, note(6001))
	requireCode(t, err, care.Conflict, "lines")
	_, err = b.bills.Credit(t.Context(), by(b.receptionist), i.ID, note(6000))
	require.NoError(t, err)
	got = b.get(t, i.ID)
	require.Equal(t, billing.StatusCredited, got.Status)
	require.Equal(t, []int64{10000, 0, 5000, 0}, []int64{got.CreditedMinor, got.PaidMinor, got.ExcessMinor, got.BalanceMinor})
	require.Equal(t, int64(5000), b.credit(t))

	// The refund of an amount that is credited already issues no second credit note.
	r := b.refund(t, p.ID, billing.NewRefund{AmountMinor: 5000, Reference: "re_1"})
	require.Nil(t, r.CreditNoteID)
	got = b.get(t, i.ID)
	require.Len(t, got.CreditNotes, 2)
	require.Zero(t, got.ExcessMinor)
	require.Zero(t, b.credit(t))
	b.requireContiguous(t, i.ID)
}

func TestCredit_NumbersConcurrentNotesWithoutGaps(t *testing.T) {
	t.Parallel()
	b := setup(t)
	invoices := []billing.Invoice{b.issue(t), b.issue(t), b.issue(t)}
	numbers := make([]string, 12)
	for _, err := range at(12, func(n int) error {
		made, err := b.bills.Credit(t.Context(), by(b.receptionist), invoices[n%3].ID, note(1))
		numbers[n] = made.Number
		return err
	}) {
		require.NoError(t, err)
	}
	var want []string
	for n := range 12 {
		want = append(want, fmt.Sprintf("CN-%d", n+1))
	}
	require.ElementsMatch(t, want, numbers)
	elsewhere := b.draft()
	elsewhere.ClinicID, elsewhere.PatientID = b.there, b.otherPatient.UserID
	i, err := b.bills.Issue(t.Context(), by(b.otherDesk), elsewhere)
	require.NoError(t, err)
	made, err := b.bills.Credit(t.Context(), by(b.otherDesk), i.ID, note(1))
	require.NoError(t, err)
	require.Equal(t, "CN-1", made.Number, "each clinic has its own")
	for _, invoice := range invoices {
		b.requireContiguous(t, invoice.ID)
	}
}

func TestCredit_NeverExceedsTheInvoiceUnderConcurrency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	done := 0
	for _, err := range at(8, func(int) error {
		_, err := b.bills.Credit(t.Context(), by(b.receptionist), i.ID, note(3000))
		return err
	}) {
		if err == nil {
			done++
			continue
		}
		requireCode(t, err, care.Conflict, "lines")
	}
	require.Equal(t, 3, done)
	require.Equal(t, int64(1000), b.get(t, i.ID).BalanceMinor)
}

func TestCredit_ChecksItsInput(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	for field, change := range map[string]func(*billing.NewCreditNote){
		"reason":            func(n *billing.NewCreditNote) { n.Reason = "" },
		"number":            func(n *billing.NewCreditNote) { n.Number = new("CN-7") },
		"lines":             func(n *billing.NewCreditNote) { n.Lines = nil },
		"lines[0].quantity": func(n *billing.NewCreditNote) { n.Lines[0].Quantity = 0 },
	} {
		n := note(1)
		change(&n)
		_, err := b.bills.Credit(t.Context(), by(b.receptionist), i.ID, n)
		requireCode(t, err, care.Invalid, field)
	}
	own := note(1)
	own.Number = new("2026-C-1")
	_, err := b.bills.Credit(t.Context(), by(b.receptionist), i.ID, own)
	require.NoError(t, err)
	_, err = b.bills.Credit(t.Context(), by(b.receptionist), i.ID, own)
	requireCode(t, err, care.Conflict, "number")
	_, err = b.bills.Credit(t.Context(), by(b.patient), i.ID, note(1))
	requireCode(t, err, care.Forbidden)
	for _, actor := range []care.Actor{b.doctor, b.neighbour, b.otherDesk} {
		_, err = b.bills.Credit(t.Context(), by(actor), i.ID, note(1))
		requireCode(t, err, care.NotFound)
	}
	_, err = b.bills.Void(t.Context(), by(b.receptionist), i.ID, 2)
	requireCode(t, err, care.Conflict)
	require.ErrorContains(t, err, "for the rest")
	voided := b.issue(t)
	_, err = b.bills.Void(t.Context(), by(b.receptionist), voided.ID, 1)
	require.NoError(t, err)
	_, err = b.bills.Credit(t.Context(), by(b.receptionist), voided.ID, note(1))
	requireCode(t, err, care.Conflict)
	require.Zero(t, b.get(t, voided.ID).BalanceMinor)
}

// fromCredit returns a payment from the patient's credit.
func fromCredit(minor int64) billing.NewPayment {
	return billing.NewPayment{AmountMinor: minor, Provider: "credit"}
}

func TestPay_FromCreditPaysOtherInvoicesOfTheClinicInTheCurrency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source, target := b.issue(t), b.issue(t)
	paid := b.pay(t, source.ID, 12500, "pi_1")
	got := b.get(t, source.ID)
	require.Equal(t, billing.StatusPaid, got.Status)
	require.Equal(t, []int64{10000, 2500}, []int64{got.PaidMinor, got.ExcessMinor})

	_, _, err := b.bills.Pay(t.Context(), by(b.receptionist), target.ID, fromCredit(2501))
	requireCode(t, err, care.Conflict, "amountMinor")
	drawn, first, err := b.bills.Pay(t.Context(), by(b.receptionist), target.ID, fromCredit(2000))
	require.NoError(t, err)
	require.True(t, first)
	require.NotEmpty(t, drawn.Reference)
	require.Equal(t, int64(500), b.credit(t))
	require.Equal(t, int64(8000), b.get(t, target.ID).BalanceMinor)

	yen := b.draft()
	yen.Currency = "JPY"
	other, err := b.bills.Issue(t.Context(), by(b.receptionist), yen)
	require.NoError(t, err)
	_, _, err = b.bills.Pay(t.Context(), by(b.receptionist), other.ID, fromCredit(1))
	requireCode(t, err, care.Conflict, "amountMinor")
	neighbours := b.draft()
	neighbours.PatientID = b.neighbour.UserID
	other, err = b.bills.Issue(t.Context(), by(b.receptionist), neighbours)
	require.NoError(t, err)
	_, _, err = b.bills.Pay(t.Context(), by(b.receptionist), other.ID, fromCredit(1))
	requireCode(t, err, care.Conflict, "amountMinor")

	// Used credit cannot be refunded. A refund of a payment from credit becomes credit again.
	_, _, err = b.bills.Refund(t.Context(), by(b.receptionist), paid.ID, billing.NewRefund{AmountMinor: 12500, Reference: "re_1"})
	requireCode(t, err, care.Conflict, "amountMinor")
	b.refund(t, paid.ID, billing.NewRefund{AmountMinor: 500, Reference: "re_1"})
	require.Zero(t, b.credit(t))
	require.Equal(t, billing.StatusPaid, b.get(t, source.ID).Status)
	b.refund(t, drawn.ID, billing.NewRefund{AmountMinor: 2000, Reopen: true})
	require.Equal(t, int64(2000), b.credit(t))
	require.Equal(t, int64(10000), b.get(t, target.ID).BalanceMinor)
	b.refund(t, paid.ID, billing.NewRefund{AmountMinor: 12000, Reference: "re_2"})
	require.Zero(t, b.credit(t))
	require.Equal(t, billing.StatusCredited, b.get(t, source.ID).Status)
	b.requireContiguous(t, source.ID)
	b.requireContiguous(t, target.ID)
}

func TestPay_FromCreditCannotExceedTheBalance(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.pay(t, b.issue(t).ID, 30000, "pi_1")
	i := b.issue(t)
	_, _, err := b.bills.Pay(t.Context(), by(b.receptionist), i.ID, fromCredit(10001))
	requireCode(t, err, care.Conflict, "amountMinor")
	_, _, err = b.bills.Pay(t.Context(), by(b.receptionist), i.ID, fromCredit(10000))
	require.NoError(t, err)
	require.Equal(t, billing.StatusPaid, b.get(t, i.ID).Status)
	require.Equal(t, int64(10000), b.credit(t))
}

func TestPay_FromCreditNeverExceedsTheCreditUnderConcurrency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	paid := b.pay(t, b.issue(t).ID, 15000, "pi_1")
	var targets []billing.Invoice
	for range 6 {
		targets = append(targets, b.issue(t))
	}
	done := 0
	for _, err := range at(12, func(n int) error {
		if n%4 == 3 {
			_, _, err := b.bills.Refund(t.Context(), by(b.admin), paid.ID, billing.NewRefund{AmountMinor: 2000, Reference: fmt.Sprint("re", n), Reopen: true})
			return err
		}
		_, _, err := b.bills.Pay(t.Context(), by(b.receptionist), targets[n%6].ID, fromCredit(2000))
		if err == nil {
			return nil
		}
		requireCode(t, err, care.Conflict, "amountMinor")
		return err
	}) {
		if err == nil {
			done++
		}
	}
	require.Positive(t, done)
	credit := b.credit(t)
	require.GreaterOrEqual(t, credit, int64(0))
	require.Less(t, credit, int64(2000), "all that fits was drawn")
	for _, i := range targets {
		b.requireContiguous(t, i.ID)
	}
}

func TestCredit_FollowsAMergedPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.pay(t, b.issue(t).ID, 10500, "pi_1")
	b.Exec(t, "SELECT person_merge($1, $2)", b.patient.UserID, b.neighbour.UserID)
	n := b.draft()
	n.PatientID = b.neighbour.UserID
	i, err := b.bills.Issue(t.Context(), by(b.receptionist), n)
	require.NoError(t, err)
	_, _, err = b.bills.Pay(t.Context(), by(b.receptionist), i.ID, fromCredit(500))
	require.NoError(t, err)
}

func TestPay_ReferencesArePerClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	here := b.pay(t, b.issue(t).ID, 10000, "R-1")
	elsewhere := b.draft()
	elsewhere.ClinicID, elsewhere.PatientID = b.there, b.otherPatient.UserID
	i, err := b.bills.Issue(t.Context(), by(b.otherDesk), elsewhere)
	require.NoError(t, err)
	there, first, err := b.bills.Pay(t.Context(), by(b.otherDesk), i.ID, payment(10000, "R-1"))
	require.NoError(t, err)
	require.True(t, first)
	b.refund(t, here.ID, billing.NewRefund{AmountMinor: 1, Reference: "R-2"})
	_, first, err = b.bills.Refund(t.Context(), by(b.otherDesk), there.ID, billing.NewRefund{AmountMinor: 1, Reference: "R-2"})
	require.NoError(t, err)
	require.True(t, first)
}

func TestPay_RecordsEachCashPaymentWithoutAReference(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	cash := billing.NewPayment{AmountMinor: 5000, Provider: "cash"}
	for range 2 {
		_, first, err := b.bills.Pay(t.Context(), by(b.receptionist), i.ID, cash)
		require.NoError(t, err)
		require.True(t, first)
	}
	got := b.get(t, i.ID)
	require.Equal(t, billing.StatusPaid, got.Status)
	require.NotEqual(t, got.Payments[0].Reference, got.Payments[1].Reference)
	b.refund(t, got.Payments[0].ID, billing.NewRefund{AmountMinor: 1})
	b.refund(t, got.Payments[0].ID, billing.NewRefund{AmountMinor: 1})
	cash.Provider = "stripe"
	_, _, err := b.bills.Pay(t.Context(), by(b.receptionist), i.ID, cash)
	requireCode(t, err, care.Invalid, "reference")
	p := b.pay(t, i.ID, 5, "pi_1")
	_, _, err = b.bills.Refund(t.Context(), by(b.receptionist), p.ID, billing.NewRefund{AmountMinor: 1})
	requireCode(t, err, care.Invalid, "reference")
}

func TestIssue_IsForFormerAndDisabledPatientsToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, "UPDATE memberships SET revoked_at = now() WHERE user_id = $1", b.patient.UserID)
	b.issue(t)
	left := b.patient
	left.Memberships = nil
	own, err := b.bills.List(t.Context(), by(left), billing.Filter{})
	require.NoError(t, err)
	require.Len(t, own.Items, 1, "they read it, too")
	b.Exec(t, "UPDATE users SET status = 'disabled' WHERE id = $1", b.patient.UserID)
	i := b.issue(t)
	b.pay(t, i.ID, 10000, "pi_1")
	n := b.draft()
	n.PatientID = b.otherPatient.UserID
	_, err = b.bills.Issue(t.Context(), by(b.receptionist), n)
	requireCode(t, err, care.Invalid, "patientId")
	b.Exec(t, "UPDATE users SET merged_into = $1 WHERE id = $2", b.neighbour.UserID, b.patient.UserID)
	_, err = b.bills.Issue(t.Context(), by(b.receptionist), b.draft())
	requireCode(t, err, care.Invalid, "patientId")
}

func TestIssue_IsDueTodayAtTheClinicOrLater(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// At 10:30 UTC on 1 April it is the 1st in Berlin; at 09:30 UTC it is still 31 March in
	// Honolulu.
	for _, c := range []struct {
		now, due string
		there    bool
		fine     bool
	}{
		{"2026-04-01T10:30:00Z", "2026-04-01", false, true},
		{"2026-04-01T10:30:00Z", "2026-03-31", false, false},
		{"2026-03-31T22:30:00Z", "2026-03-31", false, false},
		{"2026-03-31T21:30:00Z", "2026-03-31", false, true},
		{"2026-04-01T09:30:00Z", "2026-03-31", true, true},
		{"2026-04-01T10:30:00Z", "2026-03-31", true, false},
		{"2026-04-01T10:30:00Z", "2000-01-01", false, false},
	} {
		b.setTime(t, c.now)
		n, desk := b.draft(), b.receptionist
		if c.there {
			n.ClinicID, n.PatientID, desk = b.there, b.otherPatient.UserID, b.otherDesk
		}
		n.DueOn = c.due
		_, err := b.bills.Issue(t.Context(), by(desk), n)
		if c.fine {
			require.NoError(t, err, "%+v", c)
			continue
		}
		requireCode(t, err, care.Invalid, "dueOn")
	}
}
