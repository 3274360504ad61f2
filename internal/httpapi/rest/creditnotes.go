package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
	"carewire/internal/httpapi"
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
	// A credit note is part of its invoice.
	issued := func(n billing.CreditNote) *output {
		return &output{http.StatusCreated, httpapi.Location(invoicesPath, n.InvoiceID.String()), n}
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "issue-credit-note", Method: http.MethodPost, Path: invoicesPath + "/{id}/credit-notes",
		Tag: "billing", Action: care.InvoiceWrite,
		Status:  http.StatusCreated,
		Summary: "Issue a credit note",
		Description: "Credits all of an invoice or a part of it, which reduces its balance. A " +
			"payment that exceeds the new balance becomes the patient's credit at the clinic, " +
			"which can be refunded or pay other invoices. An amount above the part that is not " +
			"credited yet returns 409.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
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
