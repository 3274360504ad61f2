package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
)

const invoicesPath = "/api/billing/invoices"

// invoiceOutput is an invoice with its version.
type invoiceOutput struct {
	Status   int
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     billing.Invoice
}

// addInvoices adds the routes of billing.
func (s *Server) addInvoices() {
	s.collections["invoice"] = invoicesPath
	s.addInvoiceWrites()
	s.addInvoiceReads()
	s.addCreditNotes()
	s.addPayments()
	s.addRefunds()
	s.addStatements()
}

func (s *Server) addInvoiceWrites() {
	type issueInput struct{ Body billing.NewInvoice }
	register(s, operation{
		id: "issue-invoice", method: http.MethodPost, path: invoicesPath, tag: "billing", status: http.StatusCreated,
		summary:     "Issue an invoice",
		description: "Issues an invoice at once, to somebody who is or was a patient of the clinic. Amounts are whole minor units of the currency (cents). A line comes to quantity times price less its discount, with its tax on top, each rounded to a minor unit, half away from zero; the total is the sum of the lines. The invoice and the event that tells of it commit together.",
		refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, care.InvoiceWrite, once(func(ctx context.Context, in *issueInput) (*invoiceOutput, error) {
		i, err := s.cfg.Billing.Issue(ctx, commandOf(ctx), in.Body)
		return &invoiceOutput{http.StatusCreated, etag(i.Version), location(invoicesPath, i.ID.String()), i}, err
	}, func(ctx context.Context, _ *issueInput, done *care.ReplayError) (*invoiceOutput, error) {
		i, err := s.cfg.Billing.Get(ctx, commandOf(ctx), idOf(done))
		return &invoiceOutput{http.StatusCreated, etag(i.Version), location(invoicesPath, i.ID.String()), i}, err
	}))

	type voidInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that is voided. Required."`
	}
	register(s, operation{
		id: "void-invoice", method: http.MethodPost, path: invoicesPath + "/{id}/void", tag: "billing", status: http.StatusOK,
		summary:     "Void an invoice",
		description: "Takes an invoice back: nothing is owed on it any more. It is refused with 409 once a payment was received, also one that was given back, or a credit note issued: refund the payment, or issue a credit note instead. A stale `If-Match` is answered with 412 and the current ETag.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, care.InvoiceWrite, once(func(ctx context.Context, in *voidInput) (*invoiceOutput, error) {
		version, err := parseETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		i, err := s.cfg.Billing.Void(ctx, commandOf(ctx), in.ID, version)
		return &invoiceOutput{Status: http.StatusOK, ETag: etag(i.Version), Body: i}, err
	}, func(ctx context.Context, in *voidInput, _ *care.ReplayError) (*invoiceOutput, error) {
		i, err := s.cfg.Billing.Get(ctx, commandOf(ctx), in.ID)
		return &invoiceOutput{Status: http.StatusOK, ETag: etag(i.Version), Body: i}, err
	}))
}

func (s *Server) addInvoiceReads() {
	type listInput struct {
		PatientID uuid.UUID `query:"patientId" format:"uuid" doc:"Only this patient's invoices."`
		ClinicID  uuid.UUID `query:"clinicId" format:"uuid" doc:"Only invoices of this clinic."`
		Status    string    `query:"status" enum:"draft,issued,partly_paid,paid,credited,void,overdue" doc:"Only invoices in this status; overdue is those past their due day with a balance."`
		Paging
	}
	type listOutput struct{ Body billing.Page }
	register(s, operation{
		id: "list-invoices", method: http.MethodGet, path: invoicesPath, tag: "billing",
		summary:     "List invoices",
		description: "The invoices that the caller may see, the newest first. Being shown a list is audited, for each patient in it.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.InvoiceRead, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := s.cfg.Billing.List(ctx, commandOf(ctx), billing.Filter{
			PatientID: in.PatientID, ClinicID: in.ClinicID, Status: in.Status, Cursor: in.Cursor, Limit: in.Limit,
		})
		return &listOutput{page}, err
	})

	type getInput struct {
		ID          uuid.UUID `path:"id" format:"uuid"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of the version that one has: 304 when it is still the current one. That is a read too, and audited."`
	}
	register(s, operation{
		id: "get-invoice", method: http.MethodGet, path: invoicesPath + "/{id}", tag: "billing",
		summary:     "Read an invoice",
		also:        map[int]string{http.StatusNotModified: "The version in If-None-Match is still the current one."},
		description: "The invoice with its lines, credit notes and payments. One that the caller may not see is answered like one that is not there. Both are audited.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.InvoiceRead, func(ctx context.Context, in *getInput) (*invoiceOutput, error) {
		i, err := s.cfg.Billing.Get(ctx, commandOf(ctx), in.ID)
		out := &invoiceOutput{Status: http.StatusOK, ETag: etag(i.Version), Body: i}
		if matchesETag(in.IfNoneMatch, i.Version) {
			out.Status = http.StatusNotModified
		}
		return out, err
	})
}

// addPayments adds what a payment's provider, or the desk, tells. What is told again is answered with 200 and what the
// first telling made.
func (s *Server) addPayments() {
	type payInput struct {
		ID   uuid.UUID `path:"id" format:"uuid"`
		Body billing.NewPayment
	}
	type payOutput struct {
		Status int
		Body   billing.Payment
	}
	register(s, operation{
		id: "record-payment", method: http.MethodPost, path: invoicesPath + "/{id}/payments", tag: "billing", status: http.StatusCreated,
		summary:     "Record a payment",
		also:        map[int]string{http.StatusOK: "This payment was recorded before: nothing changed."},
		description: "Records money received for an invoice. What exceeds its balance becomes the patient's credit at the clinic in the currency; the provider `credit` pays out of that. The same provider, reference and amount again give the payment that was recorded first, with 200. A reference that stands for another payment of the clinic, and more from credit than there is or is owed, are refused with 409. Cash and credit need no reference: without one, each request is a payment of its own unless it has the same Idempotency-Key.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, care.PaymentWrite, once(func(ctx context.Context, in *payInput) (*payOutput, error) {
		in.Body.Fallback = keyReference(ctx)
		p, first, err := s.cfg.Billing.Pay(ctx, commandOf(ctx), in.ID, in.Body)
		return &payOutput{createdOr200(first), p}, err
	}, func(ctx context.Context, in *payInput, _ *care.ReplayError) (*payOutput, error) {
		// The reference finds the payment that was recorded.
		p, _, err := s.cfg.Billing.Pay(ctx, commandOf(ctx), in.ID, in.Body)
		return &payOutput{http.StatusCreated, p}, err
	}))
}

func (s *Server) addRefunds() {
	type refundInput struct {
		ID   uuid.UUID `path:"id" format:"uuid"`
		Body billing.NewRefund
	}
	type refundOutput struct {
		Status int
		Body   billing.Refund
	}
	register(s, operation{
		id: "record-refund", method: http.MethodPost, path: "/api/billing/payments/{id}/refunds", tag: "billing", status: http.StatusCreated,
		summary:     "Record a refund",
		also:        map[int]string{http.StatusOK: "This refund was recorded before: nothing changed."},
		description: "Records that money of a payment was given back by its provider. Unless `reopen` says that it is owed again, a credit note over it is issued in the same transaction, so that nothing more is owed than before; it has the lines of the invoice where it credits all of it, else a line for each of its tax rates. For a credit note of your own, issue it first: what it leaves of the payments is then refunded without another. The same reference, amount and `reopen` again give the refund that was recorded first, with 200. A reference that stands for another refund, or more than is left of the payment, is refused with 409.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, care.PaymentWrite, once(func(ctx context.Context, in *refundInput) (*refundOutput, error) {
		in.Body.Fallback = keyReference(ctx)
		r, first, err := s.cfg.Billing.Refund(ctx, commandOf(ctx), in.ID, in.Body)
		return &refundOutput{createdOr200(first), r}, err
	}, func(ctx context.Context, in *refundInput, _ *care.ReplayError) (*refundOutput, error) {
		r, _, err := s.cfg.Billing.Refund(ctx, commandOf(ctx), in.ID, in.Body)
		return &refundOutput{http.StatusCreated, r}, err
	}))
}

func createdOr200(first bool) int {
	if first {
		return http.StatusCreated
	}
	return http.StatusOK
}
