package billing

import (
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// notFoundOrHidden denies access to an invoice, with the same message whether it does not exist or
// the actor may not see it.
func notFoundOrHidden(cmd care.Command, action care.Action, subject care.Ref, row *db.Invoice) *outbox.DeniedError {
	answer := care.Errorf(care.NotFound, "%s not found, or you may not see it", subject.Kind)
	if row == nil {
		return outbox.Deny(cmd, answer, action, subject, nil, nil)
	}
	return outbox.Deny(cmd, answer, action, subject, &row.PatientID, &row.ClinicID)
}

// readsOwn reports whether people may read their own invoices, as patients or after they have left.
func readsOwn() bool { return care.Allowed(care.InvoiceRead, care.Patient, care.Own) }

// mayRead reports whether the actor may see the invoice.
func mayRead(actor care.Actor, row db.Invoice) bool {
	return (row.PatientID == actor.UserID && readsOwn()) ||
		actor.MayAt(row.ClinicID, care.InvoiceRead, care.SameClinic)
}

// checkWrite returns nil if the actor may do the action, care.Forbidden if they may only see the
// invoice, else care.NotFound.
func checkWrite(cmd care.Command, action care.Action, subject care.Ref, row db.Invoice) error {
	switch {
	case cmd.Actor.MayAt(row.ClinicID, action, care.SameClinic):
		return nil
	case mayRead(cmd.Actor, row):
		answer := care.Errorf(care.Forbidden, "none of your roles at this clinic can manage invoices")
		return outbox.Deny(cmd, answer, action, subject, &row.PatientID, &row.ClinicID)
	default:
		return notFoundOrHidden(cmd, action, subject, &row)
	}
}

// eventIDs are the ids in an invoice's event.
type eventIDs struct{ payment, refund, creditNote *uuid.UUID }

// settlingEvent is invoiceEvent for a payment or a credit note. One that leaves nothing to pay makes
// untrue what was announced about the invoice before, such as a reminder. A refund does not.
func settlingEvent(cmd care.Command, typ string, old, row db.Invoice, made eventIDs) event.Event {
	e := invoiceEvent(cmd, typ, row, made)
	e.CutsOff = amountsOf(old).balance() > 0 && amountsOf(row).balance() == 0
	return e
}

// invoiceEvent returns the event of a write to the invoice, at the row's version.
func invoiceEvent(cmd care.Command, typ string, row db.Invoice, made eventIDs) event.Event {
	data := event.Billing{
		InvoiceID: row.ID, UserID: row.PatientID, ClinicID: row.ClinicID, PaymentID: made.payment, RefundID: made.refund,
		CreditNoteID: made.creditNote, Status: row.Status,
	}
	if typ == "invoice_issued" || typ == "invoice_overdue" {
		due := data.Due(row.DueOn.Time.Format(time.DateOnly))
		return event.New(cmd, "billing."+typ, ref(row.ID), due).About(cmd, row.PatientID, &row.ClinicID).AtVersion(row.Version)
	}
	e := event.New(cmd, "billing."+typ, ref(row.ID), data).About(cmd, row.PatientID, &row.ClinicID).AtVersion(row.Version)
	e.CutsOff = typ == "invoice_voided"
	return e
}

// shown returns the entry of a row in the event that audits a list.
func shown(row db.Invoice) event.Shown {
	return event.Shown{PatientID: row.PatientID, ClinicID: row.ClinicID, ID: row.ID}
}
