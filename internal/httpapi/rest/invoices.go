package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
	"carewire/internal/httpapi"
)

const invoicesPath = "/api/billing/invoices"

// invoiceOutput is an invoice with its version.
type invoiceOutput = versioned[billing.Invoice]

func currentInvoice(i billing.Invoice, err error) (*invoiceOutput, error) {
	return newVersioned(http.StatusOK, i.Version, i), err
}

func createdInvoice(i billing.Invoice, err error) (*invoiceOutput, error) {
	return newVersioned(http.StatusCreated, i.Version, i).at(invoicesPath, i.ID), err
}

// registerInvoices adds the routes of billing.
func registerInvoices(api *httpapi.Server, service *billing.Service) {
	api.AddCollection(invoiceCollection(service))
	registerInvoiceWrites(api, service)
	registerInvoiceReads(api, service)
	registerCreditNotes(api, service)
	registerPayments(api, service)
	registerRefunds(api, service)
	registerStatements(api, service)
}

func registerInvoiceWrites(api *httpapi.Server, service *billing.Service) {
	type issueInput struct{ Body billing.NewInvoice }
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "issue-invoice", Method: http.MethodPost, Path: invoicesPath, Tag: "billing", Action: care.InvoiceWrite,
		Status:  http.StatusCreated,
		Summary: "Issue an invoice",
		Description: "Issues an invoice at once, to a current or former patient of the clinic. " +
			"Amounts are whole minor units of the currency (cents). The amount of a line is " +
			"quantity times price less its discount, plus its tax, each rounded to a minor unit, " +
			"half away from zero; the total is the sum of the lines. The invoice and its event " +
			"commit together.",
		Refusals: []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *issueInput) (*invoiceOutput, error) {
		return createdInvoice(service.Issue(ctx, httpapi.CommandOf(ctx), in.Body))
	}, func(ctx context.Context, _ *issueInput, done *care.ReplayError) (*invoiceOutput, error) {
		return createdInvoice(service.Get(ctx, httpapi.CommandOf(ctx), httpapi.ReplayedID(done)))
	})

	type voidInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version to void. Required."`
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "void-invoice", Method: http.MethodPost, Path: invoicesPath + "/{id}/void",
		Tag: "billing", Action: care.InvoiceWrite,
		Status:  http.StatusOK,
		Summary: "Void an invoice",
		Description: "Cancels an invoice: nothing is owed on it. Returns 409 after a payment, " +
			"even a refunded one, or a credit note: refund the payment, or issue a credit note " +
			"instead. A stale `If-Match` returns 412 with the current ETag.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, func(ctx context.Context, in *voidInput) (*invoiceOutput, error) {
		return withVersion(in.IfMatch, func(version int64) (*invoiceOutput, error) {
			return currentInvoice(service.Void(ctx, httpapi.CommandOf(ctx), in.ID, version))
		})
	}, func(ctx context.Context, in *voidInput, _ *care.ReplayError) (*invoiceOutput, error) {
		return currentInvoice(service.Get(ctx, httpapi.CommandOf(ctx), in.ID))
	})
}

func registerInvoiceReads(api *httpapi.Server, service *billing.Service) {
	type listInput struct {
		PatientID uuid.UUID `query:"patientId" format:"uuid" doc:"Only this patient's invoices."`
		ClinicID  uuid.UUID `query:"clinicId" format:"uuid" doc:"Only invoices of this clinic."`
		Status    string    `query:"status" enum:"draft,issued,partly_paid,paid,credited,void,overdue" doc:"Only invoices with this status; overdue selects those with a balance after their due day."`
		httpapi.Paging
	}
	type listOutput struct{ Body billing.Page }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-invoices", Method: http.MethodGet, Path: invoicesPath, Tag: "billing", Action: care.InvoiceRead,
		Summary: "List invoices",
		Description: "The invoices that the caller may see, newest first. The list is audited " +
			"for each patient in it.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := service.List(ctx, httpapi.CommandOf(ctx), billing.Filter{
			PatientID: in.PatientID, ClinicID: in.ClinicID, Status: in.Status, Cursor: in.Cursor, Limit: in.Limit,
		})
		return &listOutput{page}, err
	})

	type getInput struct {
		ID          uuid.UUID `path:"id" format:"uuid"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of a known version: returns 304 if it is current. That is also a read, and audited."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-invoice", Method: http.MethodGet, Path: invoicesPath + "/{id}",
		Tag: "billing", Action: care.InvoiceRead,
		Summary: "Get an invoice",
		Description: "The invoice with its lines, credit notes and payments. Returns 404 if the " +
			"caller may not see it. Both are audited.",
		Also:     map[int]string{http.StatusNotModified: "The version in If-None-Match is current."},
		Refusals: []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *getInput) (*invoiceOutput, error) {
		i, err := service.Get(ctx, httpapi.CommandOf(ctx), in.ID)
		return unlessMatched(in.IfNoneMatch, i.Version, i), err
	})
}
