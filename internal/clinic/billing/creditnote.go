package billing

import (
	"context"
	"fmt"
	"regexp"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// assignedNumberPattern matches the numbers that the service assigns to credit notes.
var assignedNumberPattern = regexp.MustCompile(`^CN-[0-9]+$`)

// NewCreditNote is the input of Credit.
type NewCreditNote struct {
	Number *string `json:"number,omitempty" text:"line" minLength:"1" maxLength:"64" doc:"The number in the clinic's books, unique per clinic. The default is CN- and the clinic's next number." example:"2026-C-00004"`
	Reason string  `json:"reason" text:"line" minLength:"1" maxLength:"500" doc:"The reason, which the patient can read." example:"Visit cancelled"`
	Lines  []Line  `json:"lines" minItems:"1" maxItems:"200" doc:"The credited items. With tax they add up to at most the part of the invoice that is not credited yet."`
}

func (n NewCreditNote) check() (total int64, err error) {
	var p care.FieldErrors
	if n.Number != nil {
		p.Line("number", *n.Number, 1, 64)
		if assignedNumberPattern.MatchString(*n.Number) {
			p.Add("number", "must not be CN- and digits: these numbers are assigned; leave it out to get the next one")
		}
	}
	p.Line("reason", n.Reason, 1, 500)
	total = checkLines(&p, n.Lines)
	return total, p.Err()
}

// Credit issues a credit note for an invoice, with billing.credit_note_issued, and reduces the
// amount owed. Payments of an amount that is no longer owed become the patient's credit. It returns
// care.Invalid by field, care.NotFound, care.Forbidden, and care.Conflict if the amount exceeds the
// part that is not credited yet, if the clinic has used the number, or if the invoice is void or a
// draft.
func (s *Service) Credit(ctx context.Context, cmd care.Command, invoiceID uuid.UUID, n NewCreditNote) (CreditNote, error) {
	total, err := n.check()
	if err != nil {
		return CreditNote{}, err
	}
	var note CreditNote
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := lock(ctx, q, cmd, care.InvoiceWrite, ref(invoiceID), invoiceID)
		if err != nil {
			return err
		}
		if err := checkOwed(row); err != nil {
			return err
		}
		a := amountsOf(row)
		if left := a.total - a.credited; total > left {
			return conflict("lines", "must add up to at most %d minor units, the part of the invoice that is not credited yet", left)
		}
		if note, err = insertNote(ctx, q, cmd, row, n, row.Version+1, nil); err != nil {
			return err
		}
		a.credit(total)
		credited, err := settle(ctx, q, cmd, row.ID, a, 1)
		if err != nil {
			return err
		}
		return outbox.Append(ctx, tx, settlingEvent(cmd, "credit_note_issued", row, credited, eventIDs{creditNote: &note.ID}))
	})
	return note, err
}

// checkOwed returns a conflict if the invoice cannot be paid or credited.
func checkOwed(row db.Invoice) error {
	if row.Status == StatusVoid || row.Status == StatusDraft {
		return care.Errorf(care.Conflict, "the invoice is %s and cannot be paid or credited", row.Status)
	}
	return nil
}

// conflict returns a care.Conflict about one field.
func conflict(field, format string, args ...any) *care.Error {
	err := care.Errorf(care.Conflict, field+" "+format, args...)
	err.Fields = []care.FieldError{{Field: field, Message: fmt.Sprintf(format, args...)}}
	return err
}

// insertNote inserts a credit note that makes the given version of the invoice. refundID is the
// refund that it is part of.
func insertNote(ctx context.Context, q *db.Queries, cmd care.Command, row db.Invoice, n NewCreditNote, version int64, refundID *uuid.UUID) (CreditNote, error) {
	lines := chargeAll(n.Lines)
	net, tax := sums(lines)
	if err := q.CreditNoteNumberLock(ctx, row.ClinicID); err != nil {
		return CreditNote{}, fmt.Errorf("lock credit note numbers: %w", err)
	}
	inserted, err := q.CreditNoteInsert(ctx, db.CreditNoteInsertParams{
		ID: uuid.Must(uuid.NewV7()), InvoiceID: row.ID, InvoiceVersion: version, ClinicID: row.ClinicID, Number: n.Number,
		Reason: n.Reason, RefundID: refundID, TotalMinor: net + tax, CreatedBy: cmd.Actor.ID,
	})
	if err != nil {
		return CreditNote{}, fmt.Errorf("insert credit note: %w", err)
	}
	var c columns
	c.add(lines)
	if err := q.CreditNoteLineInsert(ctx, db.CreditNoteLineInsertParams{
		CreditNoteID: inserted.ID, Lines: c.lines, Descriptions: c.descriptions, Quantities: c.quantities, UnitsMinor: c.units,
		DiscountsBps: c.discounts, TaxesBps: c.taxes, AmountsMinor: c.nets, TaxesMinor: c.taxMinors,
	}); err != nil {
		return CreditNote{}, fmt.Errorf("insert lines of credit note: %w", err)
	}
	return creditNote(inserted, lines), nil
}

// creditNotes returns the credit notes of the invoices, by invoice.
func creditNotes(ctx context.Context, q *db.Queries, rows []db.Invoice) (map[uuid.UUID][]CreditNote, error) {
	var ids []uuid.UUID
	for _, row := range rows {
		if row.CreditedMinor > 0 {
			ids = append(ids, row.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	lineRows, err := q.CreditNoteLineList(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read lines of credit notes: %w", err)
	}
	lines := map[uuid.UUID][]ChargedLine{}
	for _, l := range lineRows {
		lines[l.CreditNoteID] = append(lines[l.CreditNoteID], ChargedLine{
			Line:     Line{Description: l.Description, Quantity: l.Quantity, UnitMinor: l.UnitMinor, DiscountBps: l.DiscountBps, TaxBps: l.TaxBps},
			NetMinor: l.AmountMinor, TaxMinor: l.TaxMinor,
		})
	}
	noteRows, err := q.CreditNoteList(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read credit notes: %w", err)
	}
	notes := map[uuid.UUID][]CreditNote{}
	for _, n := range noteRows {
		notes[n.InvoiceID] = append(notes[n.InvoiceID], creditNote(n, lines[n.ID]))
	}
	return notes, nil
}
