package event

import (
	"github.com/google/uuid"

	"carewire/internal/care"
)

// BillingDue is the data of billing.invoice_issued and billing.invoice_overdue: that of Billing, with
// the day on which the invoice is due.
type BillingDue struct {
	InvoiceID    uuid.UUID  `json:"invoiceId" doc:"The invoice."`
	UserID       uuid.UUID  `json:"userId" doc:"The patient."`
	ClinicID     uuid.UUID  `json:"clinicId" doc:"The clinic that issued it."`
	PaymentID    *uuid.UUID `json:"paymentId,omitempty" doc:"The payment that was received or refunded."`
	RefundID     *uuid.UUID `json:"refundId,omitempty" doc:"The refund, alone or with a credit note: the patient is notified of the refund only."`
	CreditNoteID *uuid.UUID `json:"creditNoteId,omitempty" doc:"The credit note, alone or with a refund."`
	Status       string     `json:"status" doc:"The invoice's status." example:"issued"`
	DueOn        string     `json:"dueOn,omitempty" format:"date" doc:"The last day to pay, in the clinic's time zone." example:"2026-04-30"`
}

func (BillingDue) readAction() care.Action { return care.InvoiceRead }

// Due returns the data with the day on which the invoice is due.
func (b Billing) Due(on string) BillingDue {
	return BillingDue{b.InvoiceID, b.UserID, b.ClinicID, b.PaymentID, b.RefundID, b.CreditNoteID, b.Status, on}
}
