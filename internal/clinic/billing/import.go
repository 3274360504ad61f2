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

// Imported is an invoice of another system.
type Imported struct {
	ID uuid.UUID
	// Known reports whether it was imported before.
	Known bool
	NewInvoice
	// Status is StatusDraft for an invoice that was never sent to the patient, StatusIssued,
	// StatusPaid or StatusVoid.
	Status   string
	IssuedAt time.Time
}

// importProvider is the provider of the payment of an invoice that was imported as paid.
const importProvider = "import"

// ImportTx imports invoices in bulk, with their events; only carewire's own import may call it. For
// each it returns nil, or a care.Error if it is refused. An invoice past its due day is overdue
// from the start, without an event for it. A paid one has one payment, by the provider "import".
func (s *Service) ImportTx(ctx context.Context, tx pgx.Tx, cmd care.Command, all []Imported) (itemErrs []error, err error) {
	if !cmd.Actor.MayOnPlatform(care.InvoiceWrite) {
		return nil, care.Errorf(care.Forbidden, "only the platform imports invoices")
	}
	itemErrs = make([]error, len(all))
	p := db.InvoiceInsertManyParams{CreatedBy: cmd.Actor.ID}
	first := map[uuid.UUID]int{}
	var events []event.Event
	for i, in := range all {
		due, total, err := in.checkImported()
		switch {
		case err != nil:
			itemErrs[i] = err
			continue
		case in.Known:
			changes, err := importStatus(ctx, tx, cmd, in, total)
			if err != nil {
				return nil, err
			}
			events = append(events, changes...)
			continue
		}
		addInvoice(&p, in, due, total)
		first[in.ID] = i
	}
	rows, inserted, err := insertImported(ctx, db.New(tx), cmd, p, all, first)
	if err != nil {
		return nil, err
	}
	events = append(events, inserted...)
	for _, i := range first {
		itemErrs[i] = care.InvalidField("patientId", "must be a current or former patient of the clinic")
	}
	if err := outbox.Append(ctx, tx, events...); err != nil {
		return nil, err
	}
	return itemErrs, importPayments(ctx, tx, cmd, all, rows)
}

// insertImported inserts the invoices with their lines, and returns their rows and events. It
// removes the inserted ones from index, which is their position in all by id.
func insertImported(ctx context.Context, q *db.Queries, cmd care.Command, p db.InvoiceInsertManyParams, all []Imported, index map[uuid.UUID]int) ([]db.Invoice, []event.Event, error) {
	rows, err := q.InvoiceInsertMany(ctx, p)
	if err != nil {
		return nil, nil, fmt.Errorf("insert invoices: %w", err)
	}
	var lines columns
	events := make([]event.Event, len(rows))
	for i, row := range rows {
		in := all[index[row.ID]]
		delete(index, row.ID)
		lines.addFor(in.ID, chargeAll(in.Lines))
		events[i] = invoiceEvent(cmd, importEventType(in.Status), row, eventIDs{})
	}
	return rows, events, lines.insert(ctx, q)
}

// importEventType returns the type of the event of a newly imported invoice with the status.
func importEventType(status string) string {
	switch status {
	case StatusDraft:
		return "invoice_drafted"
	case StatusVoid:
		return "invoice_voided"
	default:
		return "invoice_issued"
	}
}

// checkImported is check for an invoice that may be older than this service.
func (in *Imported) checkImported() (due time.Time, total int64, err error) {
	due, err = time.Parse(time.DateOnly, in.DueOn)
	if err != nil || due.Year() < 1900 {
		return due, 0, care.InvalidField("dueOn", "must be a day from 1900 on, such as 2026-04-30")
	}
	checked := in.NewInvoice
	if due.Before(earliestDue) {
		checked.DueOn = earliestDue.Format(time.DateOnly)
	}
	if _, historic := HistoricDigits(checked.Currency); historic {
		checked.Currency = currencyInUse
	}
	if _, total, err = checked.check(); err != nil {
		return due, 0, err
	}
	switch in.Status {
	case StatusDraft, StatusIssued, StatusPaid, StatusVoid:
		return due, total, nil
	}
	return due, 0, care.InvalidField("status", "must be draft, issued, paid or void")
}

// currencyInUse replaces a currency that is no longer in use when an invoice is checked.
const currencyInUse = "EUR"

func addInvoice(p *db.InvoiceInsertManyParams, in Imported, due time.Time, total int64) {
	number, status := "", in.Status
	if in.Number != nil {
		number = *in.Number
	}
	if status == StatusPaid {
		status = StatusIssued // Until its payment is inserted.
	}
	p.Ids, p.ClinicIds, p.PatientIds = append(p.Ids, in.ID), append(p.ClinicIds, in.ClinicID), append(p.PatientIds, in.PatientID)
	p.Numbers, p.Currencies, p.Statuses = append(p.Numbers, number), append(p.Currencies, in.Currency), append(p.Statuses, status)
	p.TotalsMinor, p.DueOns, p.IssuedAts = append(p.TotalsMinor, total), append(p.DueOns, date(due)), append(p.IssuedAts, in.IssuedAt)
}

func importPayments(ctx context.Context, tx pgx.Tx, cmd care.Command, all []Imported, rows []db.Invoice) error {
	paid := map[uuid.UUID]bool{}
	for _, in := range all {
		paid[in.ID] = in.Status == StatusPaid
	}
	for _, row := range rows {
		if !paid[row.ID] {
			continue
		}
		if _, err := pay(ctx, tx, cmd, row, NewPayment{AmountMinor: row.TotalMinor, Provider: importProvider, Reference: row.ID.String()}); err != nil {
			return err
		}
	}
	return nil
}

// importStatus updates the status of an invoice that was imported before. Its amounts cannot
// change.
func importStatus(ctx context.Context, tx pgx.Tx, cmd care.Command, in Imported, total int64) ([]event.Event, error) {
	q := db.New(tx)
	old, err := q.InvoiceLock(ctx, in.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, care.Errorf(care.NotFound, "the invoice that was imported before no longer exists")
	}
	if err != nil {
		return nil, fmt.Errorf("lock invoice: %w", err)
	}
	switch {
	case old.TotalMinor != total || old.Currency != in.Currency || old.PatientID != in.PatientID || old.ClinicID != in.ClinicID:
		return nil, care.Errorf(care.Conflict, "the amounts, patient and clinic of an issued invoice cannot change: void it in the source system and issue another")
	case old.Status == in.Status:
		return nil, nil
	case old.PaidMinor+old.ExcessMinor+old.CreditedMinor > 0 || old.Status == StatusVoid:
		return nil, care.Errorf(care.Conflict, "the status of a paid, credited or void invoice cannot change")
	case in.Status == StatusPaid:
		if old.Status == StatusDraft {
			if old, err = q.InvoiceImportStatus(ctx, db.InvoiceImportStatusParams{Status: StatusIssued, UpdatedBy: cmd.Actor.ID, ID: in.ID}); err != nil {
				return nil, fmt.Errorf("update invoice: %w", err)
			}
			if err := outbox.Append(ctx, tx, invoiceEvent(cmd, "invoice_issued", old, eventIDs{})); err != nil {
				return nil, err
			}
		}
		_, err := pay(ctx, tx, cmd, old, NewPayment{AmountMinor: total, Provider: importProvider, Reference: in.ID.String()})
		return nil, err
	}
	row, err := q.InvoiceImportStatus(ctx, db.InvoiceImportStatusParams{Status: in.Status, UpdatedBy: cmd.Actor.ID, ID: in.ID})
	if err != nil {
		return nil, fmt.Errorf("update invoice: %w", err)
	}
	return []event.Event{invoiceEvent(cmd, importEventType(in.Status), row, eventIDs{})}, nil
}

// VoidImportedTx voids an invoice that was imported before and that the other system has deleted;
// only carewire's own import may call it. refused is a care.Error if it was paid or credited.
func (s *Service) VoidImportedTx(ctx context.Context, tx pgx.Tx, cmd care.Command, id uuid.UUID) (refused, err error) {
	if !cmd.Actor.MayOnPlatform(care.InvoiceWrite) {
		return nil, care.Errorf(care.Forbidden, "only the platform imports invoices")
	}
	old, err := db.New(tx).InvoiceLock(ctx, id)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return care.Errorf(care.NotFound, "the invoice that was imported before no longer exists"), nil
	case err != nil:
		return nil, fmt.Errorf("lock invoice: %w", err)
	case old.Status == StatusVoid:
		return nil, nil
	case old.PaidMinor+old.ExcessMinor+old.CreditedMinor > 0:
		return care.Errorf(care.Conflict, "the status of a paid, credited or void invoice cannot change"), nil
	}
	row, err := db.New(tx).InvoiceImportStatus(ctx, db.InvoiceImportStatusParams{Status: StatusVoid, UpdatedBy: cmd.Actor.ID, ID: id})
	if err != nil {
		return nil, fmt.Errorf("update invoice: %w", err)
	}
	return nil, outbox.Append(ctx, tx, invoiceEvent(cmd, importEventType(StatusVoid), row, eventIDs{}))
}
