package modeltest

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carewire/internal/care"
)

const invoicesPath = "/api/billing/invoices"

// invoice is a debt, in minor units.
type invoice struct {
	id                            string
	patient                       *person
	total, credited, paid, excess int64
	void                          bool
	version                       int64
	payments, notes               int
}

func (i *invoice) subject() string { return "invoice/" + i.id }

func (i *invoice) balance() int64 {
	if i.void {
		return 0
	}
	return i.total - i.credited - i.paid
}

func (i *invoice) status() string {
	switch {
	case i.void:
		return "void"
	case i.balance() > 0 && i.paid == 0:
		return "issued"
	case i.balance() > 0:
		return "partly_paid"
	case i.paid > 0:
		return "paid"
	default:
		return "credited"
	}
}

// told makes the invoice's next version and returns its event.
func (i *invoice) told(what string) told {
	i.version++
	return told{typ: "billing." + what, subject: i.subject(), version: i.version}
}

// payment is received money, part of which may have been refunded.
type payment struct {
	id, provider, reference string
	invoice                 *invoice
	amount, refund          int64
}

func (i *invoice) GoString() string {
	return fmt.Sprintf("%s in version %d, %s, %d of %d paid, %d credited, %d in excess", i.subject(), i.version, i.status(), i.paid, i.total, i.credited, i.excess)
}

func (p *payment) GoString() string {
	return fmt.Sprintf("a payment of %d by %s, of which %d was given back", p.amount, p.provider, p.refund)
}

// credit is the amount that the patient has paid beyond their debt and that is unused.
func (w *world) credit(patient *person) (minor int64) {
	for _, i := range w.invoices {
		if i.patient == patient {
			minor += i.excess
		}
	}
	for _, p := range w.payments {
		if p.invoice.patient == patient && p.provider == "credit" {
			minor -= p.amount - p.refund
		}
	}
	return minor
}

// wasPatient reports whether the person is or was a patient of the clinic.
func (w *world) wasPatient(p *person) bool {
	return p.at == w.clinic && p.patient
}

func (w *world) mayBill(p *person, action care.Action, i *invoice) bool {
	return (p == i.patient && care.Allowed(action, care.Patient, care.Own)) || w.may(p, action, care.SameClinic)
}

func (w *world) reference() string {
	w.made++
	return fmt.Sprintf("run%d-%d", w.runs, w.made)
}

// rounded returns a number of basis points of an amount, rounded half away from zero.
func rounded(minor, bps int64) int64 { return (minor*bps + 5000) / 10000 }

func (w *world) issueInvoice(t *rapid.T) {
	who, patient := w.somebody(t, care.Receptionist, care.Admin), w.named(t, care.Patient)
	unit, discount, tax := rapid.Int64Range(1, 500).Draw(t, "unit"), rapid.SampledFrom([]int64{0, 0, 1250}).Draw(t, "discount"), rapid.SampledFrom([]int64{0, 0, 1900}).Draw(t, "tax")
	net := rounded(2*unit, 10000-discount)
	i := &invoice{patient: patient, total: net + rounded(net, tax)}
	a := w.as(t, who, "POST", invoicesPath, 0, map[string]any{
		"patientId": patient.id, "clinicId": w.clinic, "currency": "EUR", "dueOn": w.monday.AddDate(0, 1, 0).Format(time.DateOnly),
		"lines": []any{map[string]any{"description": "Visit", "quantity": 2, "unitMinor": unit, "discountBps": discount, "taxBps": tax}},
	})
	switch {
	case !w.may(who, care.InvoiceWrite, care.SameClinic):
		w.refused(t, a, 403, "clinic/"+w.clinic.String())
	case !w.wasPatient(patient):
		w.refused(t, a, 422, "")
	default:
		i.id = a.text("id")
		w.invoices = append(w.invoices, i)
		w.expectVersion(t, a, 201, 1, i.told("invoice_issued"))
		w.sameInvoice(t, a, i)
	}
}

func (w *world) sameInvoice(t *rapid.T, a answer, i *invoice) {
	t.Helper()
	require.Equal(t, i.status(), a.text("status"))
	for field, want := range map[string]int64{
		"totalMinor": i.total, "creditedMinor": i.credited, "paidMinor": i.paid, "excessMinor": i.excess, "balanceMinor": i.balance(),
	} {
		require.InDelta(t, want, a.fields[field], 0, field)
		require.GreaterOrEqual(t, want, int64(0), field)
	}
	require.Len(t, a.fields["creditNotes"], i.notes)
}

// mayChange compares the denial if the actor may not change an invoice, and reports whether the
// actor may.
func (w *world) mayChange(t *rapid.T, who *person, action care.Action, i *invoice, a answer, subject string) bool {
	t.Helper()
	switch {
	case w.may(who, action, care.SameClinic):
		return true
	case w.mayBill(who, care.InvoiceRead, i):
		w.refused(t, a, 403, subject)
	default:
		w.refused(t, a, 404, subject)
	}
	return false
}

func (w *world) voidInvoice(t *rapid.T) {
	i, who := one(t, w.invoices, "invoice"), w.somebody(t, care.Receptionist, care.Admin)
	named := ifMatch(t, i.version)
	a := w.as(t, who, "POST", invoicesPath+"/"+i.id+"/void", named, nil)
	switch {
	case !w.mayChange(t, who, care.InvoiceWrite, i, a, i.subject()):
	case named != i.version:
		w.refused(t, a, 412, "")
		require.Equal(t, i.version, a.version)
	case i.void || i.payments > 0 || i.notes > 0:
		w.refused(t, a, 409, "")
	default:
		i.void = true
		event := i.told("invoice_voided")
		w.expectVersion(t, a, 200, i.version, event)
		w.sameInvoice(t, a, i)
	}
}

func (w *world) pay(t *rapid.T) {
	i, who := one(t, w.invoices, "invoice"), w.somebody(t, care.Receptionist, care.Admin)
	amount := rapid.SampledFrom([]int64{1, i.total / 2, i.balance(), i.balance() + 3, w.credit(i.patient)}).Draw(t, "amount")
	p := &payment{provider: rapid.SampledFrom([]string{"stripe", "cash", "credit"}).Draw(t, "provider"), invoice: i, amount: max(1, amount)}
	if p.provider == "stripe" || rapid.Bool().Draw(t, "named") {
		p.reference = w.reference()
	}
	if len(w.payments) > 0 && rarely(t, 5, "once more") {
		if before := rapid.SampledFrom(w.payments).Draw(t, "payment"); before.reference != "" {
			p, i = before, before.invoice
		}
	}
	body := map[string]any{"amountMinor": p.amount, "provider": p.provider}
	if p.reference != "" {
		body["reference"] = p.reference
	}
	a := w.as(t, who, "POST", invoicesPath+"/"+i.id+"/payments", 0, body)
	switch {
	case !w.mayChange(t, who, care.PaymentWrite, i, a, i.subject()):
	case p.id != "":
		w.expect(t, a, 200)
		require.Equal(t, p.id, a.text("id"))
	case i.void || (p.provider == "credit" && p.amount > min(i.balance(), w.credit(i.patient))):
		w.refused(t, a, 409, "")
	default:
		p.id = a.text("id")
		w.payments = append(w.payments, p)
		settled := min(p.amount, i.balance())
		i.paid += settled
		i.excess += p.amount - settled
		i.payments++
		w.expect(t, a, 201, i.told("payment_received"))
	}
}

func (w *world) refund(t *rapid.T) {
	p, who := one(t, w.payments, "payment"), w.somebody(t, care.Receptionist, care.Admin)
	amount := rapid.SampledFrom([]int64{1, max(1, p.amount-p.refund), p.amount}).Draw(t, "amount")
	reopen := rapid.Bool().Draw(t, "reopen")
	a := w.as(t, who, "POST", "/api/billing/payments/"+p.id+"/refunds", 0, map[string]any{"amountMinor": amount, "reference": w.reference(), "reopen": reopen})
	i := p.invoice
	fromPaid := amount - min(amount, i.excess, w.credit(i.patient))
	switch {
	case !w.mayChange(t, who, care.PaymentWrite, i, a, "payment/"+p.id):
	case amount > p.amount-p.refund || fromPaid > i.paid:
		w.refused(t, a, 409, "")
	default:
		p.refund += amount
		i.paid -= fromPaid
		i.excess -= amount - fromPaid
		events := []told{i.told("refund_made")}
		if fromPaid > 0 && !reopen {
			i.credited += fromPaid
			i.notes++
			events = append(events, i.told("credit_note_issued"))
		}
		w.expect(t, a, 201, events...)
	}
}

func (w *world) creditInvoice(t *rapid.T) {
	i, who := one(t, w.invoices, "invoice"), w.somebody(t, care.Receptionist, care.Admin)
	left := i.total - i.credited
	amount := max(1, rapid.SampledFrom([]int64{1, i.balance(), left, left + 1}).Draw(t, "amount"))
	a := w.as(t, who, "POST", invoicesPath+"/"+i.id+"/credit-notes", 0, map[string]any{
		"reason": "Goodwill", "lines": []any{map[string]any{"description": "Goodwill", "quantity": 1, "unitMinor": amount}},
	})
	switch {
	case !w.mayChange(t, who, care.InvoiceWrite, i, a, i.subject()):
	case i.void || amount > left:
		w.refused(t, a, 409, "")
	default:
		over := max(0, amount-i.balance())
		i.credited += amount
		i.paid -= over
		i.excess += over
		i.notes++
		w.expect(t, a, 201, i.told("credit_note_issued"))
	}
}

func (w *world) readInvoice(t *rapid.T) {
	i, who := one(t, w.invoices, "invoice"), w.somebody(t, care.Receptionist, care.Patient)
	a := w.as(t, who, "GET", invoicesPath+"/"+i.id, 0, nil)
	if !w.mayBill(who, care.InvoiceRead, i) {
		w.refused(t, a, 404, i.subject())
		return
	}
	w.expectVersion(t, a, 200, i.version, told{typ: "record.read", subject: i.subject()})
	w.sameInvoice(t, a, i)
	require.Len(t, a.fields["payments"], i.payments)
}

// readStatement compares the account with the invoices: its balance is the open amount of the
// invoices minus the credit.
func (w *world) readStatement(t *rapid.T) {
	patient, who := w.named(t, care.Patient), w.somebody(t, care.Receptionist, care.Patient)
	a := w.as(t, who, "GET", "/api/billing/statements?limit=200&patientId="+patient.id.String()+"&clinicId="+w.clinic.String(), 0, nil)
	closing, invoices := -w.credit(patient), 0
	for _, i := range w.invoices {
		if i.patient == patient {
			closing += i.balance()
			invoices++
		}
	}
	mayAsk := who == patient || w.may(who, care.InvoiceRead, care.SameClinic)
	if !mayAsk || (invoices == 0 && !w.wasPatient(patient)) {
		w.refused(t, a, 404, "patient/"+patient.id.String())
		return
	}
	w.expect(t, a, 200, told{typ: "record.read", subject: "patient/" + patient.id.String()})
	require.InDelta(t, closing, a.fields["closingBalanceMinor"], 0, "%s", a.raw)
	require.InDelta(t, w.credit(patient), a.fields["creditMinor"], 0)
	items, ok := a.fields["items"].([]any)
	require.True(t, ok)
	if len(items) == 0 {
		require.Zero(t, closing)
		return
	}
	last, ok := items[len(items)-1].(map[string]any)
	require.True(t, ok)
	require.InDelta(t, closing, last["balanceMinor"], 0, "all entries are on the page")
}
