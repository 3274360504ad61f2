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
		PatientID uuid.UUID `query:"patientId" format:"uuid" required:"true" doc:"Whose account."`
		ClinicID  uuid.UUID `query:"clinicId" format:"uuid" required:"true" doc:"At which clinic."`
		Currency  string    `query:"currency" maxLength:"3" doc:"In which currency, by ISO 4217. It may be left out where the patient's invoices there have only one." example:"EUR"`
		From      string    `query:"from" format:"date" doc:"The first day, at the clinic; left out, the statement begins with the first invoice."`
		To        string    `query:"to" format:"date" doc:"The last day, at the clinic; left out, the statement goes on until now."`
		httpapi.Paging
	}
	type output struct{ Body billing.Statement }
	httpapi.Register(api, httpapi.Operation{
		ID: "get-statement", Method: http.MethodGet, Path: "/api/billing/statements", Tag: "billing", Action: care.InvoiceRead,
		Summary:     "Read a statement of account",
		Description: "What a patient was charged, credited, paid and was given back at a clinic, the oldest first, each with the balance after it, and the balance before and after the days that are asked for. It is for the patient and for those who handle invoices at the clinic, also once the patient has left. Reading it is audited.",
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *input) (*output, error) {
		st, err := service.GetStatement(ctx, httpapi.CommandOf(ctx), billing.StatementFilter{
			PatientID: in.PatientID, ClinicID: in.ClinicID, Currency: in.Currency, From: in.From, To: in.To, Cursor: in.Cursor, Limit: in.Limit,
		})
		return &output{st}, err
	})
}
