package billing

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// The statuses of an invoice. Draft exists for imports only; new invoices are issued at once.
const (
	StatusDraft      = "draft"
	StatusIssued     = "issued"
	StatusPartlyPaid = "partly_paid"
	StatusPaid       = "paid"
	StatusCredited   = "credited"
	StatusVoid       = "void"
)

// Invoice is an invoice with its lines, credit notes and payments.
type Invoice struct {
	ID            uuid.UUID     `json:"id" format:"uuid"`
	Version       int64         `json:"version" doc:"1 for the first; the ETag is this number in quotes."`
	ClinicID      uuid.UUID     `json:"clinicId" format:"uuid"`
	PatientID     uuid.UUID     `json:"patientId" format:"uuid"`
	Number        *string       `json:"number,omitempty" doc:"The number in the clinic's books."`
	Currency      string        `json:"currency" doc:"ISO 4217." example:"EUR"`
	MinorDigits   int           `json:"minorDigits" doc:"The number of decimal digits of the currency's minor unit, by ISO 4217: 2 for EUR, 0 for JPY, 3 for KWD." example:"2"`
	Status        string        `json:"status" enum:"draft,issued,partly_paid,paid,credited,void" doc:"issued and partly_paid have a balance. Without a balance it is paid, or credited if no payment remains."`
	Overdue       bool          `json:"overdue" doc:"Whether it has a balance and is past its due day."`
	NetMinor      int64         `json:"netMinor" doc:"The sum of the lines without tax, in minor units of the currency, such as cents."`
	TaxMinor      int64         `json:"taxMinor" doc:"The sum of the lines' taxes."`
	TotalMinor    int64         `json:"totalMinor" doc:"The sum of net and tax."`
	CreditedMinor int64         `json:"creditedMinor" doc:"The sum of the credit notes."`
	PaidMinor     int64         `json:"paidMinor" doc:"Payments less refunds, at most the total less the credited amount."`
	ExcessMinor   int64         `json:"excessMinor" doc:"Payments less refunds beyond paidMinor. It belongs to the patient's credit at the clinic, which can be used for other invoices or be refunded."`
	BalanceMinor  int64         `json:"balanceMinor" doc:"The amount still owed: totalMinor less creditedMinor less paidMinor; 0 for a draft and a void invoice."`
	DueOn         string        `json:"dueOn" format:"date" doc:"The last day to pay, in the clinic's time zone."`
	IssuedAt      *time.Time    `json:"issuedAt,omitempty" format:"date-time"`
	CreatedAt     time.Time     `json:"createdAt" format:"date-time"`
	CreatedBy     string        `json:"createdBy" doc:"The id of the person who issued it."`
	UpdatedAt     time.Time     `json:"updatedAt" format:"date-time"`
	UpdatedBy     string        `json:"updatedBy" doc:"The id of the person who changed it last, or system:<part>."`
	Lines         []ChargedLine `json:"lines"`
	CreditNotes   []CreditNote  `json:"creditNotes" doc:"Oldest first."`
	Payments      []Payment     `json:"payments" doc:"Oldest first."`
}

// Line is one charged or credited item.
type Line struct {
	Description string `json:"description" text:"line" minLength:"1" maxLength:"500" example:"Blood panel"`
	Quantity    int32  `json:"quantity" minimum:"1" maximum:"100000" example:"1"`
	UnitMinor   int64  `json:"unitMinor" minimum:"0" maximum:"999999999999" doc:"The price per unit, in minor units of the currency, such as cents." example:"4250"`
	DiscountBps int32  `json:"discountBps,omitempty" minimum:"0" maximum:"10000" doc:"The discount in basis points (hundredths of a percent) of quantity times price." example:"500"`
	TaxBps      int32  `json:"taxBps,omitempty" minimum:"0" maximum:"100000" doc:"The tax in basis points of the discounted amount, added to it." example:"1900"`
}

// ChargedLine is a line with its amounts, each rounded to a whole minor unit, half away from zero.
type ChargedLine struct {
	Line
	NetMinor int64 `json:"netMinor" doc:"Quantity times price less the discount, rounded half away from zero."`
	TaxMinor int64 `json:"taxMinor" doc:"The tax on netMinor, rounded half away from zero."`
}

// CreditNote reverses an invoice's charges or a part of them.
type CreditNote struct {
	ID             uuid.UUID     `json:"id" format:"uuid"`
	InvoiceID      uuid.UUID     `json:"invoiceId" format:"uuid"`
	InvoiceVersion int64         `json:"invoiceVersion" doc:"The version of the invoice after the credit note."`
	Number         string        `json:"number" doc:"The number in the clinic's books."`
	Reason         string        `json:"reason"`
	RefundID       *uuid.UUID    `json:"refundId,omitempty" format:"uuid" doc:"The refund that it was issued with."`
	NetMinor       int64         `json:"netMinor" doc:"The sum of the lines without tax, in minor units of the invoice's currency."`
	TaxMinor       int64         `json:"taxMinor" doc:"The sum of the lines' taxes."`
	TotalMinor     int64         `json:"totalMinor" doc:"The sum of net and tax."`
	Lines          []ChargedLine `json:"lines"`
	CreatedAt      time.Time     `json:"createdAt" format:"date-time"`
	CreatedBy      string        `json:"createdBy" doc:"The id of the person who issued it."`
}

// Payment is a payment of an invoice.
type Payment struct {
	ID            uuid.UUID `json:"id" format:"uuid"`
	InvoiceID     uuid.UUID `json:"invoiceId" format:"uuid"`
	AmountMinor   int64     `json:"amountMinor"`
	RefundedMinor int64     `json:"refundedMinor" doc:"The refunded amount."`
	Provider      string    `json:"provider"`
	Reference     string    `json:"reference" doc:"The provider's reference."`
	ReceivedAt    time.Time `json:"receivedAt" format:"date-time"`
	ReceivedBy    string    `json:"receivedBy" doc:"The id of the person who recorded it."`
}

// Refund is a refund of a payment.
type Refund struct {
	ID           uuid.UUID  `json:"id" format:"uuid"`
	PaymentID    uuid.UUID  `json:"paymentId" format:"uuid"`
	InvoiceID    uuid.UUID  `json:"invoiceId" format:"uuid"`
	AmountMinor  int64      `json:"amountMinor"`
	Reopened     bool       `json:"reopened" doc:"Whether the amount is owed again."`
	CreditNoteID *uuid.UUID `json:"creditNoteId,omitempty" format:"uuid" doc:"The credit note that was issued with the refund."`
	Provider     string     `json:"provider"`
	Reference    string     `json:"reference" doc:"The provider's reference."`
	MadeAt       time.Time  `json:"madeAt" format:"date-time"`
	MadeBy       string     `json:"madeBy" doc:"The id of the person who recorded it."`
}

// Service manages invoices, credit notes, payments and refunds. It is safe for concurrent use.
type Service struct {
	writer *outbox.Writer
	now    func() time.Time
}

// New returns a service that uses a writer of the role carewire_app.
func New(writer *outbox.Writer) *Service {
	return &Service{writer: writer, now: time.Now}
}

func ref(id uuid.UUID) care.Ref { return care.Ref{Kind: "invoice", ID: id} }

func invoice(row db.Invoice, lines []ChargedLine, notes []CreditNote, payments []Payment) Invoice {
	net, tax := sums(lines)
	var balance int64
	if checkOwed(row) == nil {
		balance = amountsOf(row).balance()
	}
	return Invoice{
		ID: row.ID, Version: row.Version, ClinicID: row.ClinicID, PatientID: row.PatientID, Number: row.Number,
		Currency: row.Currency, MinorDigits: digits(row.Currency), Status: row.Status, Overdue: row.Overdue,
		NetMinor: net, TaxMinor: tax, TotalMinor: row.TotalMinor, CreditedMinor: row.CreditedMinor, PaidMinor: row.PaidMinor,
		ExcessMinor: row.ExcessMinor, BalanceMinor: balance,
		DueOn: row.DueOn.Time.Format(time.DateOnly), IssuedAt: utc(row.IssuedAt), CreatedAt: row.CreatedAt.UTC(), CreatedBy: row.CreatedBy,
		UpdatedAt: row.UpdatedAt.UTC(), UpdatedBy: row.UpdatedBy, Lines: lines, CreditNotes: notes, Payments: payments,
	}
}

func line(row db.InvoiceLine) Line {
	return Line{Description: row.Description, Quantity: row.Quantity, UnitMinor: row.UnitMinor, DiscountBps: row.DiscountBps, TaxBps: row.TaxBps}
}

func creditNote(row db.CreditNote, lines []ChargedLine) CreditNote {
	net, tax := sums(lines)
	return CreditNote{
		ID: row.ID, InvoiceID: row.InvoiceID, InvoiceVersion: row.InvoiceVersion, Number: row.Number, Reason: row.Reason, RefundID: row.RefundID,
		NetMinor: net, TaxMinor: tax, TotalMinor: row.TotalMinor, Lines: lines, CreatedAt: row.CreatedAt.UTC(), CreatedBy: row.CreatedBy,
	}
}

func payment(row db.Payment, refunded int64) Payment {
	return Payment{
		ID: row.ID, InvoiceID: row.InvoiceID, AmountMinor: row.AmountMinor, RefundedMinor: refunded, Provider: row.Provider,
		Reference: row.ProviderReference, ReceivedAt: row.ReceivedAt.UTC(), ReceivedBy: row.ReceivedBy,
	}
}

// A refund from before credit notes reopened its invoice.
func refund(row db.Refund, invoiceID uuid.UUID, creditNoteID *uuid.UUID) Refund {
	return Refund{
		ID: row.ID, PaymentID: row.PaymentID, InvoiceID: invoiceID, AmountMinor: row.AmountMinor, Provider: row.Provider,
		Reopened: row.Reopened == nil || *row.Reopened, CreditNoteID: creditNoteID,
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

// day returns the moment's day in its own zone, as midnight UTC: the form in which dates are
// stored.
func day(t time.Time) time.Time {
	year, month, d := t.Date()
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}
