package billing

import (
	"fmt"
	"regexp"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
)

const (
	maxLines    = 200
	maxQuantity = 100_000
	maxUnit     = 999_999_999_999
	maxTaxBps   = 100_000
	// maxAmount is below 2^53, which every JSON parser represents exactly (RFC 8259, section 6).
	maxAmount = 999_999_999_999_999
)

// earliestDue is the earliest due day that is accepted.
var earliestDue = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// NewInvoice is the input of Issue. The total is the sum of the lines.
type NewInvoice struct {
	PatientID uuid.UUID `json:"patientId" format:"uuid" doc:"Who owes it: somebody who is or was a patient of the clinic."`
	ClinicID  uuid.UUID `json:"clinicId" format:"uuid" doc:"The clinic that it is owed to."`
	Number    *string   `json:"number,omitempty" text:"line" minLength:"1" maxLength:"64" doc:"The number it has in the clinic's books; once for each clinic." example:"2026-00017"`
	Currency  string    `json:"currency" minLength:"3" maxLength:"3" doc:"An ISO 4217 code of money that is in use." example:"EUR"`
	DueOn     string    `json:"dueOn" format:"date" doc:"The last day to pay, at the clinic: today there or later." example:"2026-04-30"`
	Lines     []Line    `json:"lines" minItems:"1" maxItems:"200"`
}

// check returns the due day and the total, or the errors by field.
func (n NewInvoice) check() (due time.Time, total int64, err error) {
	var p care.FieldErrors
	if n.PatientID == uuid.Nil {
		p.Add("patientId", "must name the patient")
	}
	if n.ClinicID == uuid.Nil {
		p.Add("clinicId", "must name the clinic")
	}
	if n.Number != nil {
		p.Line("number", *n.Number, 1, 64)
	}
	if !isInUse(n.Currency) {
		p.Add("currency", "must be an ISO 4217 code of money in use, in capitals, such as EUR")
	}
	due, err = time.Parse(time.DateOnly, n.DueOn)
	if err != nil || due.Before(earliestDue) || due.After(time.Now().AddDate(10, 0, 0)) {
		p.Add("dueOn", "must be a day such as 2026-04-30, from %s to ten years from now", earliestDue.Format(time.DateOnly))
	}
	total = checkLines(&p, n.Lines)
	return due, total, p.Err()
}

func checkLines(p *care.FieldErrors, lines []Line) int64 {
	if len(lines) == 0 || len(lines) > maxLines {
		p.Add("lines", "must be 1 to %d", maxLines)
		return 0
	}
	var total int64
	for i, l := range lines {
		path := fmt.Sprintf("lines[%d]", i)
		p.Line(path+".description", l.Description, 1, 500)
		fits := true
		if l.Quantity < 1 || l.Quantity > maxQuantity {
			p.Add(path+".quantity", "must be 1 to %d", maxQuantity)
			fits = false
		}
		if l.UnitMinor < 0 || l.UnitMinor > maxUnit {
			p.Add(path+".unitMinor", "must be 0 to %d", int64(maxUnit))
			fits = false
		}
		if l.DiscountBps < 0 || l.DiscountBps > wholeBps {
			p.Add(path+".discountBps", "must be 0 to %d basis points", wholeBps)
			fits = false
		}
		if l.TaxBps < 0 || l.TaxBps > maxTaxBps {
			p.Add(path+".taxBps", "must be 0 to %d basis points", maxTaxBps)
			fits = false
		}
		if fits && total <= maxAmount {
			// A line is at most 11 * 10^17, which int64 can represent.
			charged := charge(l)
			total += charged.NetMinor + charged.TaxMinor
		}
	}
	if len(*p) == 0 && (total < 1 || total > maxAmount) {
		p.Add("lines", "must add up to 1 to %d minor units", int64(maxAmount))
	}
	return total
}

// NewPayment is a provider's report of a payment.
type NewPayment struct {
	AmountMinor int64  `json:"amountMinor" minimum:"1" maximum:"999999999999999" doc:"In minor units of the invoice's currency. What exceeds the balance becomes the patient's credit at the clinic." example:"4250"`
	Provider    string `json:"provider" minLength:"1" maxLength:"40" doc:"Who took the payment: lower-case letters, digits, - and _. \"credit\" draws on the patient's credit at the clinic in the invoice's currency." example:"stripe"`
	Reference   string `json:"reference,omitempty" text:"line" minLength:"1" maxLength:"200" doc:"What the provider calls the payment; once for each clinic and provider. Told again with the same amount, the payment is not taken twice. It may be left out for cash and credit, and is then generated: two payments alike are then two." example:"pi_3Nabc"`
	// Fallback is the default of an optional reference. If it is empty too, the reference is
	// generated.
	Fallback string `json:"-"`
}

var providerPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

func (n NewPayment) check() error {
	var p care.FieldErrors
	checkAmount(&p, n.AmountMinor)
	if !providerPattern.MatchString(n.Provider) {
		p.Add("provider", "must be 1 to 40 lower-case letters, digits, - and _, the first a letter")
	}
	if n.Reference != "" || !referenceOptional(n.Provider) {
		p.Line("reference", n.Reference, 1, 200)
	}
	return p.Err()
}

func checkAmount(p *care.FieldErrors, minor int64) {
	if minor < 1 || minor > maxAmount {
		p.Add("amountMinor", "must be 1 to %d", int64(maxAmount))
	}
}
