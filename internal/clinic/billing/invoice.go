package billing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Issue issues an invoice, with billing.invoice_issued. It returns care.Invalid by field,
// care.Forbidden if the actor may not issue invoices at the clinic, and care.Conflict if the clinic
// has used the number.
func (s *Service) Issue(ctx context.Context, cmd care.Command, n NewInvoice) (Invoice, error) {
	due, total, err := n.check()
	if err != nil {
		return Invoice{}, err
	}
	if !cmd.Actor.MayAt(n.ClinicID, care.InvoiceWrite, care.SameClinic) {
		answer := care.Errorf(care.Forbidden, "none of your roles at this clinic can manage invoices")
		return Invoice{}, s.writer.Audited(ctx, outbox.Deny(cmd, answer, care.InvoiceWrite, care.Ref{Kind: "clinic", ID: n.ClinicID}, nil, &n.ClinicID))
	}
	var row db.Invoice
	lines := chargeAll(n.Lines)
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := s.checkDue(ctx, q, n.ClinicID, due); err != nil {
			return err
		}
		var err error
		row, err = q.InvoiceInsert(ctx, db.InvoiceInsertParams{
			ID: uuid.Must(uuid.NewV7()), ClinicID: n.ClinicID, PatientID: n.PatientID, Number: n.Number, Currency: n.Currency,
			TotalMinor: total, DueOn: date(due), CreatedBy: cmd.Actor.ID,
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return care.InvalidField("patientId", "must be a current or former patient of this clinic")
		}
		if err != nil {
			return fmt.Errorf("insert invoice: %w", err)
		}
		var c columns
		c.addFor(row.ID, lines)
		if err := c.insert(ctx, q); err != nil {
			return err
		}
		return outbox.Append(ctx, tx, invoiceEvent(cmd, "invoice_issued", row, eventIDs{}))
	})
	if err != nil {
		return Invoice{}, err
	}
	return invoice(row, lines, []CreditNote{}, []Payment{}), nil
}

// checkDue returns an error if the due day is past at the clinic. No zone is more than 14 hours
// ahead of UTC, so a day after today in UTC needs no look-up.
func (s *Service) checkDue(ctx context.Context, q *db.Queries, clinicID uuid.UUID, due time.Time) error {
	now := s.now().UTC()
	if due.After(now) {
		return nil
	}
	zone, err := q.InvoiceTimeZone(ctx, clinicID)
	if err != nil {
		return fmt.Errorf("look up time zone: %w", err)
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return fmt.Errorf("load time zone: %w", err)
	}
	if today := day(now.In(location)); due.Before(today) {
		return care.InvalidField("dueOn", "must not be in the past: today is %s at the clinic", today.Format(time.DateOnly))
	}
	return nil
}

// columns are lines as query parameters.
type columns struct {
	invoiceIDs                          []uuid.UUID
	lines, quantities, discounts, taxes []int32
	descriptions                        []string
	units, nets, taxMinors              []int64
}

func (c *columns) add(lines []ChargedLine) {
	for i, l := range lines {
		c.lines, c.descriptions, c.quantities = append(c.lines, int32(i)+1), append(c.descriptions, l.Description), append(c.quantities, l.Quantity)
		c.units, c.discounts, c.taxes = append(c.units, l.UnitMinor), append(c.discounts, l.DiscountBps), append(c.taxes, l.TaxBps)
		c.nets, c.taxMinors = append(c.nets, l.NetMinor), append(c.taxMinors, l.TaxMinor)
	}
}

func (c *columns) addFor(invoiceID uuid.UUID, lines []ChargedLine) {
	for range lines {
		c.invoiceIDs = append(c.invoiceIDs, invoiceID)
	}
	c.add(lines)
}

func (c *columns) insert(ctx context.Context, q *db.Queries) error {
	if err := q.InvoiceLineInsert(ctx, db.InvoiceLineInsertParams{
		InvoiceIds: c.invoiceIDs, Lines: c.lines, Descriptions: c.descriptions, Quantities: c.quantities, UnitsMinor: c.units,
		DiscountsBps: c.discounts, TaxesBps: c.taxes, AmountsMinor: c.nets, TaxesMinor: c.taxMinors,
	}); err != nil {
		return fmt.Errorf("insert lines: %w", err)
	}
	return nil
}

// Void voids an issued invoice, with billing.invoice_voided. It returns care.NotFound,
// care.Forbidden, care.PreconditionRequired, care.PreconditionFailed unless ifMatch is the current
// version, and care.Conflict if the invoice is void, or part of the books because of a payment
// (refunded or not) or a credit note.
func (s *Service) Void(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64) (Invoice, error) {
	var voided Invoice
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := lock(ctx, q, cmd, care.InvoiceWrite, ref(id), id)
		if err != nil {
			return err
		}
		if err := checkVoidable(ctx, q, row, ifMatch); err != nil {
			return err
		}
		row, err = settleAs(ctx, q, cmd, row.ID, StatusVoid, amounts{}, 1)
		if err != nil {
			return err
		}
		list, err := details(ctx, q, []db.Invoice{row})
		if err != nil {
			return err
		}
		voided = list[0]
		return outbox.Append(ctx, tx, invoiceEvent(cmd, "invoice_voided", row, eventIDs{}))
	})
	return voided, err
}

func checkVoidable(ctx context.Context, q *db.Queries, row db.Invoice, ifMatch int64) error {
	if err := care.MatchVersion("the invoice", "void", ifMatch, row.Version); err != nil {
		return err
	}
	switch {
	case row.Status == StatusVoid:
		return care.Errorf(care.Conflict, "the invoice is already void")
	case row.Status == StatusCredited:
		return care.Errorf(care.Conflict, "the invoice is fully credited, and does not need to be voided")
	case row.CreditedMinor > 0:
		return care.Errorf(care.Conflict, "the invoice has a credit note and cannot be voided: issue a credit note for the rest")
	}
	paid, err := q.PaymentExists(ctx, row.ID)
	if err != nil {
		return fmt.Errorf("look up payments: %w", err)
	}
	if paid {
		return care.Errorf(care.Conflict, "the invoice has a payment and cannot be voided: refund the payment, or issue a credit note")
	}
	return nil
}

// lock locks the invoice and checks that the actor may do the action on it. subject is the thing
// that the request identifies.
func lock(ctx context.Context, q *db.Queries, cmd care.Command, action care.Action, subject care.Ref, id uuid.UUID) (db.Invoice, error) {
	row, err := q.InvoiceLock(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return db.Invoice{}, notFoundOrHidden(cmd, action, subject, nil)
	}
	if err != nil {
		return db.Invoice{}, fmt.Errorf("lock invoice: %w", err)
	}
	return row, checkWrite(cmd, action, subject, row)
}

// settle stores the amounts of an issued invoice and the status that follows from them, and
// increases the version.
func settle(ctx context.Context, q *db.Queries, cmd care.Command, id uuid.UUID, a amounts, versions int64) (db.Invoice, error) {
	return settleAs(ctx, q, cmd, id, statusOf(a), a, versions)
}

func settleAs(ctx context.Context, q *db.Queries, cmd care.Command, id uuid.UUID, status string, a amounts, versions int64) (db.Invoice, error) {
	row, err := q.InvoiceSettle(ctx, db.InvoiceSettleParams{
		ID: id, Versions: versions, Status: status, PaidMinor: a.paid, ExcessMinor: a.excess, CreditedMinor: a.credited, UpdatedBy: cmd.Actor.ID,
	})
	if err != nil {
		return db.Invoice{}, fmt.Errorf("update invoice: %w", err)
	}
	return row, nil
}

// Get returns the invoice with its lines, credit notes and payments. It returns care.NotFound if
// there is none or the actor may not see it.
func (s *Service) Get(ctx context.Context, cmd care.Command, id uuid.UUID) (Invoice, error) {
	var got Invoice
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.InvoiceGet(ctx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return notFoundOrHidden(cmd, care.InvoiceRead, ref(id), nil)
		}
		if err != nil {
			return fmt.Errorf("read invoice: %w", err)
		}
		if !mayRead(cmd.Actor, row) {
			return notFoundOrHidden(cmd, care.InvoiceRead, ref(id), &row)
		}
		list, err := details(ctx, q, []db.Invoice{row})
		if err != nil {
			return err
		}
		got = list[0]
		return outbox.Append(ctx, tx, event.New(cmd, "record.read", ref(id), event.RecordRead{
			UserID: row.PatientID, ClinicID: &row.ClinicID, Action: "read", Version: row.Version,
		}).About(cmd, row.PatientID, &row.ClinicID))
	})
	return got, err
}

// details returns the invoices with their lines, credit notes and payments.
func details(ctx context.Context, q *db.Queries, rows []db.Invoice) ([]Invoice, error) {
	ids := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	lineRows, err := q.InvoiceLineList(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read lines: %w", err)
	}
	lines := map[uuid.UUID][]ChargedLine{}
	for _, l := range lineRows {
		lines[l.InvoiceID] = append(lines[l.InvoiceID], ChargedLine{Line: line(l), NetMinor: l.AmountMinor, TaxMinor: l.TaxMinor})
	}
	notes, err := creditNotes(ctx, q, rows)
	if err != nil {
		return nil, err
	}
	paymentRows, err := q.PaymentList(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read payments: %w", err)
	}
	payments := map[uuid.UUID][]Payment{}
	for _, p := range paymentRows {
		payments[p.Payment.InvoiceID] = append(payments[p.Payment.InvoiceID], payment(p.Payment, p.RefundedMinor))
	}
	list := make([]Invoice, len(rows))
	for i, row := range rows {
		list[i] = invoice(row, append([]ChargedLine{}, lines[row.ID]...), append([]CreditNote{}, notes[row.ID]...), append([]Payment{}, payments[row.ID]...))
	}
	return list, nil
}
