package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
	"carewire/internal/httpapi"
)

func registerStatements(api *httpapi.Server, service *billing.Service) {
	type input struct {
		PatientID uuid.UUID `query:"patientId" format:"uuid" required:"true" doc:"The patient."`
		ClinicID  uuid.UUID `query:"clinicId" format:"uuid" required:"true" doc:"The clinic."`
		Currency  string    `query:"currency" maxLength:"3" doc:"The currency (ISO 4217). Optional if all invoices of the patient at the clinic have the same one." example:"EUR"`
		From      string    `query:"from" format:"date" doc:"The first day, at the clinic; the default is the day of the first invoice."`
		To        string    `query:"to" format:"date" doc:"The last day, at the clinic; the default is today."`
		httpapi.Paging
	}
	type output struct{ Body billing.Statement }
	httpapi.Register(api, httpapi.Operation{
		ID: "get-statement", Method: http.MethodGet, Path: "/api/billing/statements",
		Tag: "billing", Action: care.InvoiceRead,
		Summary: "Get a statement of account",
		Description: "The patient's charges, credits, payments and refunds at a clinic, oldest " +
			"first, each with the balance after it, and the balance before and after the " +
			"requested days. For the patient and for people who manage invoices at the clinic, " +
			"also after the patient has left. The read is audited.",
		Refusals: []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *input) (*output, error) {
		st, err := service.GetStatement(ctx, httpapi.CommandOf(ctx), billing.StatementFilter{
			PatientID: in.PatientID, ClinicID: in.ClinicID, Currency: in.Currency, From: in.From, To: in.To, Cursor: in.Cursor, Limit: in.Limit,
		})
		return &output{st}, err
	})
}
