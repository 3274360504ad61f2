package rest

import (
	"context"
	"net/http"

	"carewire/internal/httpapi"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
)

func registerCreditNotes(api *httpapi.Server, service *billing.Service) {
	type input struct {
		ID   uuid.UUID `path:"id" format:"uuid"`
		Body billing.NewCreditNote
	}
	type output struct {
		Status   int
		Location string `header:"Location"`
		Body     billing.CreditNote
	}
	// A credit note is read with its invoice.
	issued := func(n billing.CreditNote) *output {
		return &output{http.StatusCreated, httpapi.Location(invoicesPath, n.InvoiceID.String()), n}
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "issue-credit-note", Method: http.MethodPost, Path: invoicesPath + "/{id}/credit-notes", Tag: "billing", Action: care.InvoiceWrite,
		Status:      http.StatusCreated,
		Summary:     "Issue a credit note",
		Description: "Takes back what an invoice charged, or a part of it: that much less is owed on it. What was paid already and is owed no longer becomes the patient's credit at the clinic, which can be refunded or pay other invoices. More than is not credited yet is refused with 409.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *input) (*output, error) {
		n, err := service.Credit(ctx, httpapi.CommandOf(ctx), in.ID, in.Body)
		return issued(n), err
	}, func(ctx context.Context, in *input, done *care.ReplayError) (*output, error) {
		i, err := service.Get(ctx, httpapi.CommandOf(ctx), in.ID)
		for _, n := range i.CreditNotes {
			if n.InvoiceVersion == done.Version {
				return issued(n), err
			}
		}
		return nil, err
	})
}
