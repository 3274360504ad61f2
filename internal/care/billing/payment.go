package billing

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Pay records a payment, with billing.payment_received. The same provider, reference and amount for the same invoice give
// the first payment back, and first is false. Errors: care.Invalid by field, care.NotFound, care.Forbidden, and
// care.Conflict for a reference that stands for another payment, for more than is owed, and for an invoice that is void.
func (s *Service) Pay(ctx context.Context, cmd care.Command, invoiceID uuid.UUID, n NewPayment) (p Payment, first bool, err error) {
	if err := n.check(); err != nil {
		return Payment{}, false, err
	}
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := lock(ctx, q, cmd, care.PaymentWrite, ref(invoiceID), invoiceID)
		if err != nil {
			return err
		}
		known, err := q.PaymentByReference(ctx, db.PaymentByReferenceParams{Provider: n.Provider, ProviderReference: n.Reference})
		if err == nil {
			p = payment(known.Payment, known.RefundedMinor)
			return samePayment(p, invoiceID, n)
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("look up payment: %w", err)
		}
		if err := payable(row, n.AmountMinor); err != nil {
			return err
		}
		first = true
		p, err = pay(ctx, tx, cmd, row, n)
		return err
	})
	if err != nil {
		return Payment{}, false, err
	}
	return p, first, nil
}

func samePayment(p Payment, invoiceID uuid.UUID, n NewPayment) error {
	if p.InvoiceID != invoiceID || p.AmountMinor != n.AmountMinor {
		return taken("payment")
	}
	return nil
}

// taken refuses a reference that the provider gave to something else. It does not tell to what.
func taken(what string) error {
	err := care.Errorf(care.Conflict, "the provider's reference stands for another %s", what)
	err.Fields = []care.FieldError{{Field: "reference", Message: "stands for another " + what + ": of another amount, or elsewhere"}}
	return err
}

func payable(row db.Invoice, minor int64) error {
	switch {
	case row.Status == StatusVoid || row.Status == StatusDraft:
		return care.Errorf(care.Conflict, "the invoice is %s: nothing is owed on it", row.Status)
	case minor > row.TotalMinor-row.PaidMinor:
		err := care.Errorf(care.Conflict, "the payment is more than is still owed on the invoice")
		err.Fields = []care.FieldError{{Field: "amountMinor", Message: "must be at most what is still owed"}}
		return err
	}
	return nil
}

func pay(ctx context.Context, tx pgx.Tx, cmd care.Command, row db.Invoice, n NewPayment) (Payment, error) {
	q := db.New(tx)
	inserted, err := q.PaymentInsert(ctx, db.PaymentInsertParams{
		ID: uuid.Must(uuid.NewV7()), InvoiceID: row.ID, AmountMinor: n.AmountMinor, Provider: n.Provider,
		ProviderReference: n.Reference, ReceivedBy: cmd.Actor.ID,
	})
	if err != nil {
		return Payment{}, fmt.Errorf("insert payment: %w", err)
	}
	paid := row.PaidMinor + n.AmountMinor
	row, err = settle(ctx, q, cmd, row.ID, statusOf(row.TotalMinor, paid), paid)
	if err != nil {
		return Payment{}, err
	}
	return payment(inserted, 0), outbox.Append(ctx, tx, written(cmd, "payment_received", row, &inserted.ID))
}

// statusOf is the status of an issued invoice on which so much is paid.
func statusOf(total, paid int64) string {
	switch paid {
	case 0:
		return StatusIssued
	case total:
		return StatusPaid
	default:
		return StatusPartlyPaid
	}
}

// Refund records that money of a payment was given back, with billing.refund_made. The same reference and amount for the
// same payment give the first refund back, and first is false. Errors: care.Invalid by field, care.NotFound,
// care.Forbidden, and care.Conflict for a reference that stands for another refund and for more than is left of the
// payment.
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
		known, err := q.RefundByReference(ctx, db.RefundByReferenceParams{Provider: paid.Provider, ProviderReference: n.Reference})
		if err == nil {
			r = refund(known, row.ID)
			if r.PaymentID != paymentID || r.AmountMinor != n.AmountMinor {
				return taken("refund")
			}
			return nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("look up refund: %w", err)
		}
		if n.AmountMinor > paid.AmountMinor-paid.RefundedMinor {
			err := care.Errorf(care.Conflict, "the refund is more than is left of the payment")
			err.Fields = []care.FieldError{{Field: "amountMinor", Message: "must be at most what is left of the payment"}}
			return err
		}
		first = true
		r, err = giveBack(ctx, tx, cmd, row, paid, n)
		return err
	})
	if err != nil {
		return Refund{}, false, err
	}
	return r, first, nil
}

// lockPayment locks the invoice of the payment, and reads then what is left of the payment.
func lockPayment(ctx context.Context, q *db.Queries, cmd care.Command, id uuid.UUID) (db.Invoice, Payment, error) {
	subject := care.Ref{Kind: "payment", ID: id}
	found, err := q.PaymentGet(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return db.Invoice{}, Payment{}, stranger(cmd, care.PaymentWrite, subject, nil)
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

func giveBack(ctx context.Context, tx pgx.Tx, cmd care.Command, row db.Invoice, p Payment, n NewRefund) (Refund, error) {
	q := db.New(tx)
	inserted, err := q.RefundInsert(ctx, db.RefundInsertParams{
		ID: uuid.Must(uuid.NewV7()), PaymentID: p.ID, AmountMinor: n.AmountMinor, Provider: p.Provider,
		ProviderReference: n.Reference, MadeBy: cmd.Actor.ID,
	})
	if err != nil {
		return Refund{}, fmt.Errorf("insert refund: %w", err)
	}
	paid := row.PaidMinor - n.AmountMinor
	row, err = settle(ctx, q, cmd, row.ID, statusOf(row.TotalMinor, paid), paid)
	if err != nil {
		return Refund{}, err
	}
	return refund(inserted, row.ID), outbox.Append(ctx, tx, written(cmd, "refund_made", row, &p.ID))
}
