package billing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// refundText is the default reason and line of a refund's credit note.
const refundText = "Refund"

// roundingText is the line of the rest that cannot be split over the tax rates.
const roundingText = "Rounding"

// NewRefund is a provider's report of a refund.
type NewRefund struct {
	AmountMinor int64  `json:"amountMinor" minimum:"1" maximum:"999999999999999" doc:"In minor units of the invoice's currency; at most what is left of the payment." example:"4250"`
	Reference   string `json:"reference,omitempty" text:"line" minLength:"1" maxLength:"200" doc:"What the payment's provider calls the refund; once for each clinic and provider. Told again with the same amount, it is not made twice. It may be left out for cash and credit, and is then generated." example:"re_3Nabc"`
	// Fallback is the default of an optional reference. If it is empty too, the reference is
	// generated.
	Fallback string `json:"-"`
	Reopen   bool   `json:"reopen,omitempty" doc:"The amount is owed again, as after a payment with a wrong card. Otherwise a credit note over it is issued with the refund, and it is owed no longer. What was paid in excess was never owed, and needs neither."`
	Reason   string `json:"reason,omitempty" text:"line" minLength:"1" maxLength:"500" doc:"The reason on that credit note; \"Refund\" where it is left out." example:"Visit cancelled"`
}

func (n NewRefund) check() error {
	var p care.FieldErrors
	checkAmount(&p, n.AmountMinor)
	if n.Reference != "" {
		p.Line("reference", n.Reference, 1, 200)
	}
	if n.Reason != "" {
		p.Line("reason", n.Reason, 1, 500)
	}
	return p.Err()
}

// Refund records a refund of a payment, with billing.refund_made. Unless it reopens the invoice,
// the refunded part of the amount paid is credited in the same transaction, with
// billing.credit_note_issued. The same reference and amount for the same payment return the first
// refund, and first is false. It returns care.Invalid by field, care.NotFound, care.Forbidden, and
// care.Conflict if the reference is of another refund, or if the amount exceeds the rest of the
// payment or of the patient's credit.
func (s *Service) Refund(ctx context.Context, cmd care.Command, paymentID uuid.UUID, n NewRefund) (r Refund, first bool, err error) {
	if err := n.check(); err != nil {
		return Refund{}, false, err
	}
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, paid, err := lockPayment(ctx, q, cmd, paymentID)
		if err != nil {
			return err
		}
		if n.Reference == "" {
			if !referenceOptional(paid.Provider) {
				return care.InvalidField("reference", "must be what the provider %s calls the refund; only cash and credit need none", paid.Provider)
			}
			n.Reference = cmp.Or(n.Fallback, newReference())
		}
		known, err := q.RefundByReference(ctx, db.RefundByReferenceParams{ClinicID: row.ClinicID, Provider: paid.Provider, ProviderReference: n.Reference})
		if err == nil {
			r = refund(known.Refund, row.ID, known.CreditNoteID)
			return checkSameRefund(known.Refund, paymentID, n)
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("look up refund: %w", err)
		}
		if left := paid.AmountMinor - paid.RefundedMinor; n.AmountMinor > left {
			return conflict("amountMinor", "must be at most %d: that much is left of the payment", left)
		}
		first = true
		r, err = insertRefund(ctx, tx, cmd, row, paid, n)
		return err
	})
	if err != nil {
		return Refund{}, false, err
	}
	return r, first, nil
}

// checkSameRefund compares all that the refund did. For refunds from before credit notes it is
// unknown whether they were meant to reopen the invoice.
func checkSameRefund(known db.Refund, paymentID uuid.UUID, n NewRefund) error {
	if known.PaymentID != paymentID || known.AmountMinor != n.AmountMinor || (known.Reopened != nil && *known.Reopened != n.Reopen) {
		return referenceConflict("refund")
	}
	return nil
}

// lockPayment locks the payment's invoice, then reads the payment with its refunds.
func lockPayment(ctx context.Context, q *db.Queries, cmd care.Command, id uuid.UUID) (db.Invoice, Payment, error) {
	subject := care.Ref{Kind: "payment", ID: id}
	found, err := q.PaymentGet(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return db.Invoice{}, Payment{}, notFoundOrHidden(cmd, care.PaymentWrite, subject, nil)
	}
	if err != nil {
		return db.Invoice{}, Payment{}, fmt.Errorf("look up payment: %w", err)
	}
	row, err := lock(ctx, q, cmd, care.PaymentWrite, subject, found.Payment.InvoiceID)
	if err != nil {
		return db.Invoice{}, Payment{}, err
	}
	if found, err = q.PaymentGet(ctx, id); err != nil {
		return db.Invoice{}, Payment{}, fmt.Errorf("read payment: %w", err)
	}
	return row, payment(found.Payment, found.RefundedMinor), nil
}

func insertRefund(ctx context.Context, tx pgx.Tx, cmd care.Command, row db.Invoice, p Payment, n NewRefund) (Refund, error) {
	q := db.New(tx)
	a := amountsOf(row)
	var credit int64
	if a.excess > 0 {
		var err error
		if credit, err = lockCredit(ctx, q, row); err != nil {
			return Refund{}, err
		}
	}
	fromPaid, ok := a.refund(n.AmountMinor, credit)
	if !ok {
		return Refund{}, conflict("amountMinor", "must be at most %d: the patient has used the rest of the payment as credit", a.paid+min(a.excess, credit))
	}
	inserted, err := q.RefundInsert(ctx, db.RefundInsertParams{
		ID: uuid.Must(uuid.NewV7()), PaymentID: p.ID, ClinicID: row.ClinicID, AmountMinor: n.AmountMinor, Provider: p.Provider,
		ProviderReference: n.Reference, Reopened: n.Reopen, MadeBy: cmd.Actor.ID,
	})
	if err != nil {
		return Refund{}, fmt.Errorf("insert refund: %w", err)
	}
	made := eventIDs{payment: &p.ID, refund: &inserted.ID}
	versions := int64(1)
	if fromPaid > 0 && !n.Reopen {
		note, err := creditRefund(ctx, q, cmd, row, n.Reason, fromPaid, inserted.ID)
		if err != nil {
			return Refund{}, err
		}
		a.credited += fromPaid
		made.creditNote, versions = &note.ID, 2
	}
	if row, err = settle(ctx, q, cmd, row.ID, a, versions); err != nil {
		return Refund{}, err
	}
	return refund(inserted, row.ID, made.creditNote), outbox.Append(ctx, tx, refundEvents(cmd, row, made)...)
}

// creditRefund issues the credit note of a refund: with the lines of the invoice if it credits all
// of it, else with those of refundLines.
func creditRefund(ctx context.Context, q *db.Queries, cmd care.Command, row db.Invoice, reason string, minor int64, refundID uuid.UUID) (CreditNote, error) {
	if reason == "" {
		reason = refundText
	}
	rows, err := q.InvoiceLineList(ctx, []uuid.UUID{row.ID})
	if err != nil {
		return CreditNote{}, fmt.Errorf("read lines: %w", err)
	}
	lines := make([]Line, len(rows))
	for i, l := range rows {
		lines[i] = line(l)
	}
	if minor < row.TotalMinor {
		lines = refundLines(lines, minor)
	}
	return insertNote(ctx, q, cmd, row, NewCreditNote{Reason: reason, Lines: lines}, row.Version+2, &refundID)
}

// refundLines splits an amount with tax over the tax rates of an invoice's lines, in proportion to
// each rate's total. A rest that cannot be split is one more line, without tax.
func refundLines(of []Line, minor int64) []Line {
	var total int64
	gross := map[int32]int64{}
	for _, l := range chargeAll(of) {
		gross[l.TaxBps] += l.NetMinor + l.TaxMinor
		total += l.NetMinor + l.TaxMinor
	}
	var lines []Line
	rest := minor
	for _, tax := range slices.Sorted(maps.Keys(gross)) {
		net := netOf(proportion(minor, gross[tax], total), tax)
		if net == 0 {
			continue
		}
		lines = append(lines, Line{Description: refundText, Quantity: 1, UnitMinor: net, TaxBps: tax})
		rest -= net + share(net, tax)
	}
	if rest > 0 {
		lines = append(lines, Line{Description: roundingText, Quantity: 1, UnitMinor: rest})
	}
	return lines
}

// refundEvents returns the events of a refund: its own, and that of its credit note. The latter has
// the refund's id, so that the patient is notified once. Each has its own version of the invoice.
func refundEvents(cmd care.Command, row db.Invoice, made eventIDs) []event.Event {
	if made.creditNote == nil {
		return []event.Event{invoiceEvent(cmd, "refund_made", row, made)}
	}
	return []event.Event{
		invoiceEvent(cmd, "refund_made", row, made).AtVersion(row.Version - 1),
		invoiceEvent(cmd, "credit_note_issued", row, made),
	}
}
