package billing_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
)

func (b *testBundle) statement(t *testing.T, actor care.Actor, change func(*billing.StatementFilter)) billing.Statement {
	t.Helper()
	f := billing.StatementFilter{PatientID: b.patient.UserID, ClinicID: b.here}
	if change != nil {
		change(&f)
	}
	st, err := b.bills.GetStatement(t.Context(), by(actor), f)
	require.NoError(t, err)
	return st
}

// amountsAndBalances returns the types, the amounts and the balances of the entries.
func amountsAndBalances(items []billing.StatementEntry) (kinds []string, numbers [][2]int64) {
	for _, e := range items {
		kinds, numbers = append(kinds, e.Type), append(numbers, [2]int64{e.AmountMinor, e.BalanceMinor})
	}
	return kinds, numbers
}

func TestStatement_HasEntriesInOrderWithARunningBalance(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	p := b.pay(t, i.ID, 12000, "pi_1")
	voided := b.issue(t)
	_, err := b.bills.Void(t.Context(), by(b.receptionist), voided.ID, 1)
	require.NoError(t, err)
	second := b.issue(t)
	_, _, err = b.bills.Pay(t.Context(), by(b.receptionist), second.ID, fromCredit(1500))
	require.NoError(t, err)
	_, err = b.bills.Credit(t.Context(), by(b.receptionist), second.ID, note(500))
	require.NoError(t, err)
	b.refund(t, p.ID, billing.NewRefund{AmountMinor: 1500, Reference: "re_1"})
	other := b.draft()
	other.Currency = "CHF"
	_, err = b.bills.Issue(t.Context(), by(b.receptionist), other)
	require.NoError(t, err)
	other.Currency, other.PatientID = "EUR", b.neighbour.UserID
	_, err = b.bills.Issue(t.Context(), by(b.receptionist), other)
	require.NoError(t, err)

	inEUR := func(f *billing.StatementFilter) { f.Currency = "EUR" }
	for _, actor := range []care.Actor{b.receptionist, b.admin, b.patient} {
		st := b.statement(t, actor, inEUR)
		kinds, numbers := amountsAndBalances(st.Items)
		require.Equal(t, []string{
			"invoice_issued", "payment_received", "invoice_issued", "invoice_voided", "invoice_issued", "credit_note_issued", "refund_made", "credit_note_issued",
		}, kinds)
		require.Equal(t, [][2]int64{
			{10000, 10000}, {-12000, -2000}, {10000, 8000}, {-10000, -2000}, {10000, 8000}, {-500, 7500}, {1500, 9000}, {-1000, 8000},
		}, numbers)
		require.Equal(t, []int64{0, 8000, 0}, []int64{st.OpeningMinor, st.ClosingMinor, st.CreditMinor})
		require.Equal(t, 2, st.MinorDigits)
		e := b.last(t)
		require.Equal(t, "record.read", e.Type)
		require.Equal(t, "patient/"+b.patient.ID, e.Subject)
		require.Equal(t, []any{i.ID.String(), voided.ID.String(), second.ID.String()}, e.Data["recordIds"])
	}
	require.Equal(t, int64(8000), b.get(t, i.ID).BalanceMinor+b.get(t, second.ID).BalanceMinor, "the amount owed less the credit")

	_, err = b.bills.GetStatement(t.Context(), by(b.patient), billing.StatementFilter{PatientID: b.patient.UserID, ClinicID: b.here})
	requireCode(t, err, care.Invalid, "currency")
	var invalid *care.Error
	require.ErrorAs(t, err, &invalid)
	require.Contains(t, invalid.Fields[0].Message, "CHF, EUR")
}

func TestStatement_ShowsEachEntryOnceAcrossPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 3 {
		i := b.issue(t)
		b.refund(t, b.pay(t, i.ID, 10000, i.ID.String()).ID, billing.NewRefund{AmountMinor: 10000, Reference: i.ID.String()})
	}
	whole := b.statement(t, b.patient, nil)
	require.Len(t, whole.Items, 12)
	for _, limit := range []int{1, 5, 12} {
		var all []billing.StatementEntry
		cursor := ""
		for {
			st := b.statement(t, b.patient, func(f *billing.StatementFilter) { f.Limit, f.Cursor = limit, cursor })
			require.LessOrEqual(t, len(st.Items), limit)
			require.Zero(t, st.ClosingMinor)
			all = append(all, st.Items...)
			if cursor = st.Next; cursor == "" {
				break
			}
		}
		require.Equal(t, whole.Items, all)
	}
}

func TestStatement_UsesDaysAtTheClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	b.pay(t, i.ID, 3000, "pi_1")
	b.pay(t, i.ID, 2000, "pi_2")
	// In Berlin the last minute of 30 April, the first of 1 May and the first of 2 May.
	b.exec(t, "UPDATE invoices SET issued_at = '2026-04-30T21:59:00Z'")
	b.exec(t, "UPDATE payments SET received_at = CASE provider_reference WHEN 'pi_1' THEN timestamptz '2026-04-30T22:00:00Z' ELSE '2026-05-01T22:00:00Z' END")
	days := func(from, to string) (opening, closing int64, entries int) {
		st := b.statement(t, b.receptionist, func(f *billing.StatementFilter) { f.From, f.To = from, to })
		require.Equal(t, []string{from, to}, []string{st.From, st.To})
		return st.OpeningMinor, st.ClosingMinor, len(st.Items)
	}
	for _, c := range []struct {
		from, to         string
		opening, closing int64
		entries          int
	}{
		{"", "", 0, 5000, 3},
		{"", "2026-04-29", 0, 0, 0},
		{"2026-04-30", "2026-04-30", 0, 10000, 1},
		{"2026-05-01", "2026-05-01", 10000, 7000, 1},
		{"2026-05-01", "", 10000, 5000, 2},
		{"2026-05-02", "9999-12-31", 7000, 5000, 1},
		{"2026-05-03", "", 5000, 5000, 0},
	} {
		opening, closing, entries := days(c.from, c.to)
		require.Equal(t, []int64{c.opening, c.closing, int64(c.entries)}, []int64{opening, closing, int64(entries)}, "%+v", c)
	}
}

func TestStatement_IsForThePatientAndBillingStaff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.issue(t)
	mine := billing.StatementFilter{PatientID: b.patient.UserID, ClinicID: b.here}
	for _, actor := range []care.Actor{b.neighbour, b.doctor, b.nurse, b.auditor, b.operator, b.otherDesk, b.otherPatient, care.SystemActor("seed")} {
		_, err := b.bills.GetStatement(t.Context(), by(actor), mine)
		requireCode(t, err, care.NotFound)
		require.Equal(t, "access.denied", b.last(t).Type)
	}
	for _, f := range []billing.StatementFilter{
		{PatientID: b.doctor.UserID, ClinicID: b.here}, {PatientID: uuid.New(), ClinicID: b.here}, {PatientID: b.otherPatient.UserID, ClinicID: b.here},
	} {
		_, err := b.bills.GetStatement(t.Context(), by(b.receptionist), f)
		requireCode(t, err, care.NotFound)
	}
	_, err := b.bills.GetStatement(t.Context(), by(b.patient), billing.StatementFilter{PatientID: b.patient.UserID, ClinicID: b.there})
	requireCode(t, err, care.NotFound)
	none := b.statement(t, b.receptionist, func(f *billing.StatementFilter) { f.PatientID = b.neighbour.UserID })
	require.Equal(t, []billing.StatementEntry{}, none.Items)
	b.exec(t, "UPDATE memberships SET revoked_at = now() WHERE user_id = $1", b.patient.UserID)
	b.patient.Memberships = nil
	for _, actor := range []care.Actor{b.receptionist, b.patient} {
		require.Len(t, b.statement(t, actor, nil).Items, 1, "also once they have left")
	}
}

func TestStatement_ReportsEveryBadParameter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for field, change := range map[string]func(*billing.StatementFilter){
		"patientId": func(f *billing.StatementFilter) { f.PatientID = uuid.Nil },
		"clinicId":  func(f *billing.StatementFilter) { f.ClinicID = uuid.Nil },
		"currency":  func(f *billing.StatementFilter) { f.Currency = "eur" },
		"from":      func(f *billing.StatementFilter) { f.From = "2026-02-30" },
		"to":        func(f *billing.StatementFilter) { f.From, f.To = "2026-02-02", "2026-02-01" },
		"limit":     func(f *billing.StatementFilter) { f.Limit = 201 },
		"cursor":    func(f *billing.StatementFilter) { f.Cursor = "x" },
	} {
		f := billing.StatementFilter{PatientID: b.patient.UserID, ClinicID: b.here}
		change(&f)
		_, err := b.bills.GetStatement(t.Context(), by(b.receptionist), f)
		requireCode(t, err, care.Invalid, field)
	}
}
