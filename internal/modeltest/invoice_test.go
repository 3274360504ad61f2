package modeltest

import (
	"fmt"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carewire/internal/care"
)

const invoicesPath = "/api/billing/invoices"

// invoice is what somebody owes, in minor units.
type invoice struct {
	id          string
	patient     *person
	total, paid int64
	void        bool
	version     int64
	payments    int
}

func (i *invoice) subject() string { return "invoice/" + i.id }

func (i *invoice) status() string {
	switch {
	case i.void:
		return "void"
	case i.paid == 0:
		return "issued"
	case i.paid == i.total:
		return "paid"
	default:
		return "partly_paid"
	}
}

func (i *invoice) told(what string) told {
	return told{typ: "billing." + what, subject: i.subject(), version: i.version}
}

// payment is money received, of which some may have been given back.
type payment struct {
	id, reference  string
	invoice        *invoice
	amount, refund int64
}

func (i *invoice) GoString() string {
	return fmt.Sprintf("%s in version %d, %s, %d of %d paid", i.subject(), i.version, i.status(), i.paid, i.total)
}

func (p *payment) GoString() string {
	return fmt.Sprintf("a payment of %d, of which %d was given back", p.amount, p.refund)
}

func (w *world) mayBill(p *person, action care.Action, i *invoice) bool {
	return (p == i.patient && care.Allowed(action, care.Patient, care.Own)) || w.may(p, action, care.SameClinic)
}

func (w *world) reference() string {
	w.made++
	return fmt.Sprintf("run%d-%d", w.runs, w.made)
}

func (w *world) issueInvoice(t *rapid.T) {
	who, patient := w.somebody(t, care.Receptionist, care.Admin), w.named(t, care.Patient)
	i := &invoice{patient: patient, total: 2 * rapid.Int64Range(1, 500).Draw(t, "unit"), version: 1}
	a := w.as(t, who, "POST", invoicesPath, 0, map[string]any{
		"patientId": patient.id, "clinicId": w.clinic, "currency": "EUR", "dueOn": "2026-04-30",
		"lines": []any{map[string]any{"description": "Visit", "quantity": 2, "unitMinor": i.total / 2}},
	})
	switch {
	case !w.may(who, care.InvoiceWrite, care.SameClinic):
		w.refused(t, a, 403, "clinic/"+w.clinic.String())
	case !w.is(patient, care.Patient):
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
	require.InDelta(t, i.total, a.fields["totalMinor"], 0)
	require.InDelta(t, i.paid, a.fields["paidMinor"], 0)
}

// mayChange compares the refusal of who may not change an invoice, and reports whether the actor may.
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
	case i.void || i.payments > 0:
		w.refused(t, a, 409, "")
	default:
		i.void = true
		i.version++
		w.expectVersion(t, a, 200, i.version, i.told("invoice_voided"))
		w.sameInvoice(t, a, i)
	}
}

func (w *world) pay(t *rapid.T) {
	i, who := one(t, w.invoices, "invoice"), w.somebody(t, care.Receptionist, care.Admin)
	amount := rapid.SampledFrom([]int64{1, i.total / 2, max(1, i.total-i.paid), i.total + 1}).Draw(t, "amount")
	p := &payment{reference: w.reference(), invoice: i, amount: amount}
	if len(w.payments) > 0 && rarely(t, 5, "once more") {
		p = rapid.SampledFrom(w.payments).Draw(t, "payment")
		i = p.invoice
	}
	a := w.as(t, who, "POST", invoicesPath+"/"+i.id+"/payments", 0, map[string]any{"amountMinor": p.amount, "provider": "cash", "reference": p.reference})
	switch {
	case !w.mayChange(t, who, care.PaymentWrite, i, a, i.subject()):
	case p.id != "":
		w.expect(t, a, 200)
		require.Equal(t, p.id, a.text("id"))
	case i.void || p.amount > i.total-i.paid:
		w.refused(t, a, 409, "")
	default:
		p.id = a.text("id")
		w.payments = append(w.payments, p)
		i.paid += p.amount
		i.payments++
		i.version++
		w.expect(t, a, 201, i.told("payment_received"))
	}
}

func (w *world) refund(t *rapid.T) {
	p, who := one(t, w.payments, "payment"), w.somebody(t, care.Receptionist, care.Admin)
	amount := rapid.SampledFrom([]int64{1, max(1, p.amount-p.refund), p.amount}).Draw(t, "amount")
	a := w.as(t, who, "POST", "/api/billing/payments/"+p.id+"/refunds", 0, map[string]any{"amountMinor": amount, "reference": w.reference()})
	switch {
	case !w.mayChange(t, who, care.PaymentWrite, p.invoice, a, "payment/"+p.id):
	case amount > p.amount-p.refund:
		w.refused(t, a, 409, "")
	default:
		p.refund += amount
		p.invoice.paid -= amount
		p.invoice.version++
		w.expect(t, a, 201, p.invoice.told("refund_made"))
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
