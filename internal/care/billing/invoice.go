package billing

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Issue writes an invoice and its billing.invoice_issued. Errors: care.Invalid by field, care.Forbidden where the actor
// may not issue invoices at the clinic, care.Conflict for a number that the clinic has used.
func (s *Service) Issue(ctx context.Context, cmd care.Command, n NewInvoice) (Invoice, error) {
	due, total, err := n.check()
	if err != nil {
		return Invoice{}, err
	}
	if !cmd.Actor.MayAt(n.ClinicID, care.InvoiceWrite, care.SameClinic) {
		answer := care.Errorf(care.Forbidden, "you hold no role that handles invoices at this clinic")
		return Invoice{}, s.writer.Audited(ctx, outbox.Refuse(cmd, answer, care.InvoiceWrite, care.Ref{Kind: "clinic", ID: n.ClinicID}, nil, &n.ClinicID))
	}
	var row db.Invoice
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		var err error
		row, err = q.InvoiceInsert(ctx, db.InvoiceInsertParams{
			ID: uuid.Must(uuid.NewV7()), ClinicID: n.ClinicID, PatientID: n.PatientID, Number: n.Number, Currency: n.Currency,
			TotalMinor: total, DueOn: date(due), CreatedBy: cmd.Actor.ID,
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return care.InvalidField("patientId", "must be an active patient of this clinic")
		}
		if err != nil {
			return fmt.Errorf("insert invoice: %w", err)
		}
		if err := insertLines(ctx, q, row.ID, n.Lines); err != nil {
			return err
		}
		return outbox.Append(ctx, tx, written(cmd, "invoice_issued", row, nil))
	})
	if err != nil {
		return Invoice{}, err
	}
	return invoice(row, n.Lines, []Payment{}), nil
}

func insertLines(ctx context.Context, q *db.Queries, invoiceID uuid.UUID, lines []Line) error {
	p := db.InvoiceLineInsertParams{InvoiceID: invoiceID}
	for i, l := range lines {
		p.Lines = append(p.Lines, int32(i)+1)
		p.Descriptions = append(p.Descriptions, l.Description)
		p.Quantities = append(p.Quantities, l.Quantity)
		p.UnitsMinor = append(p.UnitsMinor, l.UnitMinor)
	}
	if err := q.InvoiceLineInsert(ctx, p); err != nil {
		return fmt.Errorf("insert lines: %w", err)
	}
	return nil
}

// Void takes an issued invoice back, with billing.invoice_voided. Errors: care.NotFound, care.Forbidden,
// care.PreconditionFailed where ifMatch is not the current version, care.Conflict after a payment (also one that was
// given back: the invoice is then part of the books) and when it is void already.
func (s *Service) Void(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64) (Invoice, error) {
	var voided Invoice
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := lock(ctx, q, cmd, care.InvoiceWrite, ref(id), id)
		if err != nil {
			return err
		}
		if err := voidable(ctx, q, row, ifMatch); err != nil {
			return err
		}
		row, err = settle(ctx, q, cmd, row.ID, StatusVoid, 0)
		if err != nil {
			return err
		}
		list, err := details(ctx, q, []db.Invoice{row})
		if err != nil {
			return err
		}
		voided = list[0]
		return outbox.Append(ctx, tx, written(cmd, "invoice_voided", row, nil))
	})
	return voided, err
}

func voidable(ctx context.Context, q *db.Queries, row db.Invoice, ifMatch int64) error {
	if ifMatch == 0 {
		return care.Errorf(care.PreconditionRequired, "name the version you have read with If-Match, so that nobody's change is lost")
	}
	if ifMatch != row.Version {
		err := care.Errorf(care.PreconditionFailed, "the invoice changed since you read version %d: read again, then void version %d", ifMatch, row.Version)
		err.Version = row.Version
		return err
	}
	if row.Status == StatusVoid {
		return care.Errorf(care.Conflict, "the invoice is void already")
	}
	paid, err := q.PaymentExists(ctx, row.ID)
	if err != nil {
		return fmt.Errorf("look up payments: %w", err)
	}
	if paid {
		return care.Errorf(care.Conflict, "a payment was received for the invoice: it cannot be void any more")
	}
	return nil
}

// lock locks the invoice, which the actor must be allowed to do the action on. subject is what the request named.
func lock(ctx context.Context, q *db.Queries, cmd care.Command, action care.Action, subject care.Ref, id uuid.UUID) (db.Invoice, error) {
	row, err := q.InvoiceLock(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return db.Invoice{}, stranger(cmd, action, subject, nil)
	}
	if err != nil {
		return db.Invoice{}, fmt.Errorf("lock invoice: %w", err)
	}
	return row, mayWrite(cmd, action, subject, row)
}

func settle(ctx context.Context, q *db.Queries, cmd care.Command, id uuid.UUID, status string, paid int64) (db.Invoice, error) {
	row, err := q.InvoiceSettle(ctx, db.InvoiceSettleParams{ID: id, Status: status, PaidMinor: paid, UpdatedBy: cmd.Actor.ID})
	if err != nil {
		return db.Invoice{}, fmt.Errorf("update invoice: %w", err)
	}
	return row, nil
}

// Get gives the invoice with its lines and payments. Where there is none, or the actor may not see it, the error is
// care.NotFound.
func (s *Service) Get(ctx context.Context, cmd care.Command, id uuid.UUID) (Invoice, error) {
	var got Invoice
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.InvoiceGet(ctx, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return stranger(cmd, care.InvoiceRead, ref(id), nil)
		}
		if err != nil {
			return fmt.Errorf("read invoice: %w", err)
		}
		if !mayRead(cmd.Actor, row) {
			return stranger(cmd, care.InvoiceRead, ref(id), &row)
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

// details adds to each invoice its lines and payments.
func details(ctx context.Context, q *db.Queries, rows []db.Invoice) ([]Invoice, error) {
	ids := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	lineRows, err := q.InvoiceLineList(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read lines: %w", err)
	}
	lines := map[uuid.UUID][]Line{}
	for _, l := range lineRows {
		lines[l.InvoiceID] = append(lines[l.InvoiceID], Line{Description: l.Description, Quantity: l.Quantity, UnitMinor: l.UnitMinor})
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
		list[i] = invoice(row, append([]Line{}, lines[row.ID]...), append([]Payment{}, payments[row.ID]...))
	}
	return list, nil
}
