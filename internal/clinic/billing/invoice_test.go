package billing_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
)

func TestIssue_CommitsInvoiceAndEventTogether(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	require.Equal(t, int64(1), i.Version)
	require.Equal(t, billing.StatusIssued, i.Status)
	require.Equal(t, int64(10000), i.TotalMinor)
	require.Equal(t, "2026-04-30", i.DueOn)
	require.NotNil(t, i.IssuedAt)
	e := b.Last(t)
	require.Equal(t, "billing.invoice_issued", e.Type)
	require.Equal(t, "invoice/"+i.ID.String(), e.Subject)
	require.Equal(t, new(int64(1)), e.Version)
	require.Equal(t, "receptionist", e.ActorRole)
	require.Equal(t, &b.patient.UserID, e.Person)
	require.Equal(t, &b.here, e.Clinic)
	require.Equal(t, map[string]any{"invoiceId": i.ID.String(), "userId": b.patient.ID, "clinicId": b.here.String(), "status": "issued", "dueOn": "2026-04-30"}, e.Data, "and no amounts")
	require.Equal(t, i, b.get(t, i.ID))

	// The outbox refuses every row.
	b.Exec(t, "ALTER TABLE outbox ADD CONSTRAINT outbox_broken CHECK (false) NOT VALID")
	_, err := b.bills.Issue(t.Context(), by(b.receptionist), b.draft())
	require.Error(t, err)
	_, _, err = b.bills.Pay(t.Context(), by(b.receptionist), i.ID, payment(1, "a"))
	require.Error(t, err)
	_, err = b.bills.Void(t.Context(), by(b.receptionist), i.ID, 1)
	require.Error(t, err)
	require.Equal(t, 1, b.Count(t, "invoices"))
	require.Zero(t, b.Count(t, "payments"))
	_, err = b.bills.Get(t.Context(), by(b.patient), i.ID)
	require.Error(t, err, "a read that cannot be audited is not answered")
}

func TestIssue_ReportsEveryBadField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	line := func(l billing.Line) func(*billing.NewInvoice) {
		return func(n *billing.NewInvoice) { n.Lines = append(n.Lines, l) }
	}
	for field, change := range map[string]func(*billing.NewInvoice){
		"patientId":            func(n *billing.NewInvoice) { n.PatientID = b.doctor.UserID },
		"clinicId":             func(n *billing.NewInvoice) { n.ClinicID = uuid.Nil },
		"number":               func(n *billing.NewInvoice) { n.Number = new("") },
		"dueOn":                func(n *billing.NewInvoice) { n.DueOn = "2026-02-30" },
		"lines":                func(n *billing.NewInvoice) { n.Lines = nil },
		"lines[2].description": line(billing.Line{Quantity: 1, UnitMinor: 1}),
		"lines[2].quantity":    line(billing.Line{Description: "x", UnitMinor: 1}),
		"lines[2].unitMinor":   line(billing.Line{Description: "x", Quantity: 1, UnitMinor: -1}),
		"lines[2].discountBps": line(billing.Line{Description: "x", Quantity: 1, UnitMinor: 1, DiscountBps: 10_001}),
		"lines[2].taxBps":      line(billing.Line{Description: "x", Quantity: 1, UnitMinor: 1, TaxBps: -1}),
	} {
		n := b.draft()
		change(&n)
		_, err := b.bills.Issue(t.Context(), by(b.receptionist), n)
		requireCode(t, err, care.Invalid, field)
	}
	for _, code := range []string{"", "eur", "EURO", "ABC", "XXX", "XTS", "€", "DEM", "HRK", "XAU", "XDR"} {
		n := b.draft()
		n.Currency = code
		_, err := b.bills.Issue(t.Context(), by(b.receptionist), n)
		requireCode(t, err, care.Invalid, "currency")
	}
	require.Zero(t, b.Count(t, "invoices"))
}

func TestIssue_RefusesTotalsOutOfRange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := b.draft()
	n.Lines = nil
	for range 200 {
		n.Lines = append(n.Lines, billing.Line{Description: "x", Quantity: 100_000, UnitMinor: 999_999_999_999, TaxBps: 100_000})
	}
	_, err := b.bills.Issue(t.Context(), by(b.receptionist), n)
	requireCode(t, err, care.Invalid, "lines")
	n.Lines = []billing.Line{{Description: "free", Quantity: 1, UnitMinor: 0}}
	_, err = b.bills.Issue(t.Context(), by(b.receptionist), n)
	requireCode(t, err, care.Invalid, "lines")
}

func TestIssue_RequiresUniqueNumbersPerClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := b.draft()
	n.Number = new("2026-1")
	_, err := b.bills.Issue(t.Context(), by(b.receptionist), n)
	require.NoError(t, err)
	_, err = b.bills.Issue(t.Context(), by(b.receptionist), n)
	requireCode(t, err, care.Conflict, "number")
	n.ClinicID, n.PatientID = b.there, b.otherPatient.UserID
	_, err = b.bills.Issue(t.Context(), by(b.otherDesk), n)
	require.NoError(t, err)
}

func TestAccess_FollowsTheTableAndAuditsDenials(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	paid := b.pay(t, i.ID, 100, "pi_1")
	for name, c := range map[string]struct {
		actor              care.Actor
		issue, read, write care.Code
	}{
		"the receptionist": {b.receptionist, "", "", ""},
		"an admin":         {b.admin, "", "", ""},
		"the patient":      {b.patient, care.Forbidden, "", care.Forbidden},
		"another patient":  {b.neighbour, care.Forbidden, care.NotFound, care.NotFound},
		"a doctor":         {b.doctor, care.Forbidden, care.NotFound, care.NotFound},
		"a nurse":          {b.nurse, care.Forbidden, care.NotFound, care.NotFound},
		"an auditor":       {b.auditor, care.Forbidden, care.NotFound, care.NotFound},
		"an operator":      {b.operator, care.Forbidden, care.NotFound, care.NotFound},
		"a desk elsewhere": {b.otherDesk, care.Forbidden, care.NotFound, care.NotFound},
		"a program":        {care.SystemActor("seed"), care.Forbidden, care.NotFound, care.NotFound},
	} {
		check := func(err error, code care.Code, action care.Action) {
			t.Helper()
			if code == "" {
				require.NoError(t, err, name)
				return
			}
			requireCode(t, err, code)
			require.Equal(t, "access.denied", b.Last(t).Type, name)
			require.Equal(t, string(action), b.Last(t).Data["action"], name)
		}
		_, err := b.bills.Issue(t.Context(), by(c.actor), b.draft())
		check(err, c.issue, care.InvoiceWrite)
		_, err = b.bills.Get(t.Context(), by(c.actor), i.ID)
		check(err, c.read, care.InvoiceRead)
		if c.read == "" {
			require.Equal(t, "record.read", b.Last(t).Type)
			require.Equal(t, "invoice/"+i.ID.String(), b.Last(t).Subject)
		}
		_, _, err = b.bills.Pay(t.Context(), by(c.actor), i.ID, payment(1, name))
		check(err, c.write, care.PaymentWrite)
		_, _, err = b.bills.Refund(t.Context(), by(c.actor), paid.ID, billing.NewRefund{AmountMinor: 1, Reference: name})
		check(err, c.write, care.PaymentWrite)
		if c.write != "" {
			_, err = b.bills.Void(t.Context(), by(c.actor), i.ID, 1)
			check(err, c.write, care.InvoiceWrite)
		}
	}
	hidden := b.bills
	_, there := hidden.Get(t.Context(), by(b.doctor), i.ID)
	_, missing := hidden.Get(t.Context(), by(b.doctor), uuid.New())
	require.Equal(t, missing.Error(), there.Error(), "a hidden one looks like a missing one")
	require.Nil(t, b.Last(t).Person)
	_, _, err := hidden.Refund(t.Context(), by(b.receptionist), uuid.New(), billing.NewRefund{AmountMinor: 1, Reference: "x"})
	requireCode(t, err, care.NotFound)
}

func TestVoid_RequiresTheCurrentVersionAndNoPayment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	i := b.issue(t)
	_, err := b.bills.Void(t.Context(), by(b.receptionist), i.ID, 0)
	requireCode(t, err, care.PreconditionRequired)
	_, err = b.bills.Void(t.Context(), by(b.receptionist), i.ID, 2)
	requireCode(t, err, care.PreconditionFailed)
	voided, err := b.bills.Void(t.Context(), by(b.receptionist), i.ID, 1)
	require.NoError(t, err)
	require.Equal(t, billing.StatusVoid, voided.Status)
	require.Equal(t, int64(2), voided.Version)
	require.Equal(t, i.Lines, voided.Lines)
	require.Equal(t, "billing.invoice_voided", b.Last(t).Type)
	_, err = b.bills.Void(t.Context(), by(b.receptionist), i.ID, 2)
	requireCode(t, err, care.Conflict)
	_, _, err = b.bills.Pay(t.Context(), by(b.receptionist), i.ID, payment(100, "pi_1"))
	requireCode(t, err, care.Conflict)
	b.requireContiguous(t, i.ID)

	other := b.issue(t)
	p := b.pay(t, other.ID, 100, "pi_2")
	_, err = b.bills.Void(t.Context(), by(b.receptionist), other.ID, 2)
	requireCode(t, err, care.Conflict)
	_, _, err = b.bills.Refund(t.Context(), by(b.receptionist), p.ID, billing.NewRefund{AmountMinor: 100, Reference: "re_2"})
	require.NoError(t, err)
	_, err = b.bills.Void(t.Context(), by(b.receptionist), other.ID, 4)
	requireCode(t, err, care.Conflict)
	require.ErrorContains(t, err, "credit note")
}

func TestEvents_ContainNoAmountsNumbersOrTexts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := b.draft()
	n.Number = new("SECRETNUMBER")
	n.Lines = []billing.Line{{Description: "SECRETTEXT", Quantity: 1, UnitMinor: 77177}}
	i, err := b.bills.Issue(t.Context(), by(b.receptionist), n)
	require.NoError(t, err)
	p := b.pay(t, i.ID, 77177, "SECRETREFERENCE")
	_, _, err = b.bills.Refund(t.Context(), by(b.receptionist), p.ID, billing.NewRefund{AmountMinor: 77177, Reference: "SECRETREFUND", Reason: "SECRETREASON"})
	require.NoError(t, err)
	b.get(t, i.ID)
	all, err := json.Marshal(b.Events(t))
	require.NoError(t, err)
	for _, word := range []string{"SECRET", "EUR", `"amount`, "Minor", ":77177"} {
		require.NotContains(t, string(all), word)
	}
	require.Equal(t, 5, strings.Count(string(all), `"Type"`))
}

func TestList_ReturnsVisibleInvoicesInPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var want []uuid.UUID
	for range 5 {
		want = append([]uuid.UUID{b.issue(t).ID}, want...)
	}
	b.pay(t, want[0], 10000, "pi_1")
	elsewhere := b.draft()
	elsewhere.ClinicID, elsewhere.PatientID = b.there, b.otherPatient.UserID
	_, err := b.bills.Issue(t.Context(), by(b.otherDesk), elsewhere)
	require.NoError(t, err)

	for _, f := range []billing.Filter{{}, {PatientID: b.patient.UserID}, {ClinicID: b.here}, {PatientID: b.patient.UserID, ClinicID: b.here}} {
		for _, actor := range []care.Actor{b.patient, b.receptionist, b.admin} {
			var got []uuid.UUID
			f.Limit, f.Cursor = 2, ""
			for {
				page, err := b.bills.List(t.Context(), by(actor), f)
				require.NoError(t, err)
				for _, i := range page.Items {
					got = append(got, i.ID)
					require.Len(t, i.Lines, 2)
				}
				if f.Cursor = page.Next; f.Cursor == "" {
					break
				}
			}
			require.Equal(t, want, got)
		}
	}
	paid, err := b.bills.List(t.Context(), by(b.patient), billing.Filter{Status: billing.StatusPaid})
	require.NoError(t, err)
	require.Len(t, paid.Items, 1)
	require.Len(t, paid.Items[0].Payments, 1)
	require.Equal(t, "record.read", b.Last(t).Type)
	require.Equal(t, []any{want[0].String()}, b.Last(t).Data["recordIds"])
	for _, f := range []billing.Filter{{Status: "lost"}, {Limit: 201}, {Cursor: "x"}} {
		_, err := b.bills.List(t.Context(), by(b.patient), f)
		requireCode(t, err, care.Invalid)
	}
}

func TestList_DeniesActorsWithoutARole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.issue(t)
	for _, actor := range []care.Actor{b.doctor, b.nurse, b.auditor, b.operator} {
		_, err := b.bills.List(t.Context(), by(actor), billing.Filter{})
		requireCode(t, err, care.Forbidden)
		require.Equal(t, "access.denied", b.Last(t).Type)
	}
	for _, actor := range []care.Actor{b.neighbour, b.doctor, b.otherDesk, b.otherPatient} {
		_, err := b.bills.List(t.Context(), by(actor), billing.Filter{PatientID: b.patient.UserID})
		requireCode(t, err, care.NotFound)
	}
	_, err := b.bills.List(t.Context(), by(b.otherDesk), billing.Filter{ClinicID: b.here})
	requireCode(t, err, care.Forbidden)
	none, err := b.bills.List(t.Context(), by(b.receptionist), billing.Filter{PatientID: b.neighbour.UserID})
	require.NoError(t, err)
	require.Equal(t, []billing.Invoice{}, none.Items)
	require.Equal(t, "record.read", b.Last(t).Type, "that there is nothing was told, too")
}
