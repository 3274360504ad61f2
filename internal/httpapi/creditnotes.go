package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
)

func (s *Server) addCreditNotes() {
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
		return &output{http.StatusCreated, location(invoicesPath, n.InvoiceID.String()), n}
	}
	register(s, operation{
		id: "issue-credit-note", method: http.MethodPost, path: invoicesPath + "/{id}/credit-notes", tag: "billing", status: http.StatusCreated,
		summary:     "Issue a credit note",
		description: "Takes back what an invoice charged, or a part of it: that much less is owed on it. What was paid already and is owed no longer becomes the patient's credit at the clinic, which can be refunded or pay other invoices. More than is not credited yet is refused with 409.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, care.InvoiceWrite, once(func(ctx context.Context, in *input) (*output, error) {
		n, err := s.cfg.Billing.Credit(ctx, commandOf(ctx), in.ID, in.Body)
		return issued(n), err
	}, func(ctx context.Context, in *input, done *care.ReplayError) (*output, error) {
		i, err := s.cfg.Billing.Get(ctx, commandOf(ctx), in.ID)
		for _, n := range i.CreditNotes {
			if n.InvoiceVersion == done.Version {
				return issued(n), err
			}
		}
		return nil, err
	}))
}

func (s *Server) addStatements() {
	type input struct {
		PatientID uuid.UUID `query:"patientId" format:"uuid" required:"true" doc:"Whose account."`
		ClinicID  uuid.UUID `query:"clinicId" format:"uuid" required:"true" doc:"At which clinic."`
		Currency  string    `query:"currency" maxLength:"3" doc:"In which currency, by ISO 4217. It may be left out where the patient's invoices there have only one." example:"EUR"`
		From      string    `query:"from" format:"date" doc:"The first day, at the clinic; left out, the statement begins with the first invoice."`
		To        string    `query:"to" format:"date" doc:"The last day, at the clinic; left out, the statement goes on until now."`
		Paging
	}
	type output struct{ Body billing.Statement }
	register(s, operation{
		id: "get-statement", method: http.MethodGet, path: "/api/billing/statements", tag: "billing",
		summary:     "Read a statement of account",
		description: "What a patient was charged, credited, paid and was given back at a clinic, the oldest first, each with the balance after it, and the balance before and after the days that are asked for. It is for the patient and for those who handle invoices at the clinic, also once the patient has left. Reading it is audited.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.InvoiceRead, func(ctx context.Context, in *input) (*output, error) {
		st, err := s.cfg.Billing.GetStatement(ctx, commandOf(ctx), billing.StatementFilter{
			PatientID: in.PatientID, ClinicID: in.ClinicID, Currency: in.Currency, From: in.From, To: in.To, Cursor: in.Cursor, Limit: in.Limit,
		})
		return &output{st}, err
	})
}

// keyReference is the reference of a payment or refund that is given none and has an Idempotency-Key: the same request under
// the same key has the same one, so that it is found again. Without a key it is empty.
func keyReference(ctx context.Context) string {
	i := infoOf(ctx)
	if i.key == "" {
		return ""
	}
	return uuid.NewSHA1(uuid.NameSpaceOID, append([]byte(commandOf(ctx).Actor.ID+"\n"+i.key+"\n"), i.requestHash...)).String()
}
