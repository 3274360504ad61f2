package billing

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// The statuses of an invoice. Draft is in the schema for imports; an invoice written here is issued at once.
const (
	StatusDraft      = "draft"
	StatusIssued     = "issued"
	StatusPartlyPaid = "partly_paid"
	StatusPaid       = "paid"
	StatusVoid       = "void"
)

// Invoice is what a patient owes a clinic, and how much of it is paid.
type Invoice struct {
	ID          uuid.UUID  `json:"id" format:"uuid"`
	Version     int64      `json:"version" doc:"1 for the first; the ETag is this number in quotes."`
	ClinicID    uuid.UUID  `json:"clinicId" format:"uuid"`
	PatientID   uuid.UUID  `json:"patientId" format:"uuid"`
	Number      *string    `json:"number,omitempty" doc:"The number it has in the clinic's books."`
	Currency    string     `json:"currency" doc:"ISO 4217." example:"EUR"`
	MinorDigits int        `json:"minorDigits" doc:"How many digits of an amount stand behind the decimal point, by ISO 4217: 2 for EUR, 0 for JPY, 3 for KWD." example:"2"`
	Status      string     `json:"status" enum:"draft,issued,partly_paid,paid,void"`
	Overdue     bool       `json:"overdue" doc:"It is past its due day at the clinic and not paid."`
	TotalMinor  int64      `json:"totalMinor" doc:"The sum of the lines, in minor units of the currency, such as cents."`
	PaidMinor   int64      `json:"paidMinor" doc:"Payments less refunds."`
	DueOn       string     `json:"dueOn" format:"date" doc:"The last day to pay, at the clinic."`
	IssuedAt    *time.Time `json:"issuedAt,omitempty" format:"date-time"`
	CreatedAt   time.Time  `json:"createdAt" format:"date-time"`
	CreatedBy   string     `json:"createdBy" doc:"The id of who issued it."`
	UpdatedAt   time.Time  `json:"updatedAt" format:"date-time"`
	UpdatedBy   string     `json:"updatedBy" doc:"The id of who changed it last: a person's, or system:<part>."`
	Lines       []Line     `json:"lines"`
	Payments    []Payment  `json:"payments" doc:"Oldest first."`
}

// Line is one thing that is charged for; its amount is Quantity times UnitMinor.
type Line struct {
	Description string `json:"description" text:"line" minLength:"1" maxLength:"500" example:"Blood panel"`
	Quantity    int32  `json:"quantity" minimum:"1" maximum:"100000" example:"1"`
	UnitMinor   int64  `json:"unitMinor" minimum:"0" maximum:"999999999999" doc:"The price of one, in minor units of the currency, such as cents." example:"4250"`
}

// Payment is money that came in for an invoice.
type Payment struct {
	ID            uuid.UUID `json:"id" format:"uuid"`
	InvoiceID     uuid.UUID `json:"invoiceId" format:"uuid"`
	AmountMinor   int64     `json:"amountMinor"`
	RefundedMinor int64     `json:"refundedMinor" doc:"How much of it was given back."`
	Provider      string    `json:"provider"`
	Reference     string    `json:"reference" doc:"What the provider calls it."`
	ReceivedAt    time.Time `json:"receivedAt" format:"date-time"`
	ReceivedBy    string    `json:"receivedBy" doc:"The id of who recorded it."`
}

// Refund is money of one payment that was given back.
type Refund struct {
	ID          uuid.UUID `json:"id" format:"uuid"`
	PaymentID   uuid.UUID `json:"paymentId" format:"uuid"`
	InvoiceID   uuid.UUID `json:"invoiceId" format:"uuid"`
	AmountMinor int64     `json:"amountMinor"`
	Provider    string    `json:"provider"`
	Reference   string    `json:"reference" doc:"What the provider calls it."`
	MadeAt      time.Time `json:"madeAt" format:"date-time"`
	MadeBy      string    `json:"madeBy" doc:"The id of who recorded it."`
}

// Service issues invoices and takes payments. It is safe for concurrent use.
type Service struct {
	writer *outbox.Writer
	now    func() time.Time
}

// New makes the service on the writer of the role that the domain writes as.
func New(writer *outbox.Writer) *Service {
	return &Service{writer: writer, now: time.Now}
}

func ref(id uuid.UUID) care.Ref { return care.Ref{Kind: "invoice", ID: id} }

func invoice(row db.Invoice, lines []Line, payments []Payment) Invoice {
	return Invoice{
		ID: row.ID, Version: row.Version, ClinicID: row.ClinicID, PatientID: row.PatientID, Number: row.Number,
		Currency: row.Currency, MinorDigits: digits(row.Currency), Status: row.Status, Overdue: row.Overdue, TotalMinor: row.TotalMinor, PaidMinor: row.PaidMinor,
		DueOn: row.DueOn.Time.Format(time.DateOnly), IssuedAt: utc(row.IssuedAt), CreatedAt: row.CreatedAt.UTC(), CreatedBy: row.CreatedBy,
		UpdatedAt: row.UpdatedAt.UTC(), UpdatedBy: row.UpdatedBy, Lines: lines, Payments: payments,
	}
}

func payment(row db.Payment, refunded int64) Payment {
	return Payment{
		ID: row.ID, InvoiceID: row.InvoiceID, AmountMinor: row.AmountMinor, RefundedMinor: refunded, Provider: row.Provider,
		Reference: row.ProviderReference, ReceivedAt: row.ReceivedAt.UTC(), ReceivedBy: row.ReceivedBy,
	}
}

func refund(row db.Refund, invoiceID uuid.UUID) Refund {
	return Refund{
		ID: row.ID, PaymentID: row.PaymentID, InvoiceID: invoiceID, AmountMinor: row.AmountMinor, Provider: row.Provider,
		Reference: row.ProviderReference, MadeAt: row.MadeAt.UTC(), MadeBy: row.MadeBy,
	}
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}

func date(t time.Time) pgtype.Date { return pgtype.Date{Time: t, Valid: true} }
