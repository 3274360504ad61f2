package billing

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

const (
	// cashProvider is the clinic's desk, which may have no reference for a payment.
	cashProvider = "cash"
	// creditProvider is the patient's credit at the clinic.
	creditProvider = "credit"
)

// referenceOptional reports whether the provider's payments and refunds may lack a reference. It is
// generated then.
func referenceOptional(provider string) bool {
	return provider == cashProvider || provider == creditProvider
}

// newReference returns a new unique reference.
func newReference() string { return uuid.Must(uuid.NewV7()).String() }

// Pay records a payment, with billing.payment_received. The part that exceeds the balance becomes
// the patient's credit at the clinic in the invoice's currency; the provider "credit" pays from it.
// The same provider, reference and amount for the same invoice return the first payment, and first
// is false. It returns care.Invalid by field, care.NotFound, care.Forbidden, and care.Conflict if
// the reference is of another payment of the clinic, if a payment from credit exceeds the credit or
// the balance, and if the invoice is void or a draft.
func (s *Service) Pay(ctx context.Context, cmd care.Command, invoiceID uuid.UUID, n NewPayment) (p Payment, first bool, err error) {
	if err := n.check(); err != nil {
		return Payment{}, false, err
	}
	if n.Reference == "" {
		n.Reference = cmp.Or(n.Fallback, newReference())
	}
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := lock(ctx, q, cmd, care.PaymentWrite, ref(invoiceID), invoiceID)
		if err != nil {
			return err
		}
		known, err := q.PaymentByReference(ctx, db.PaymentByReferenceParams{ClinicID: row.ClinicID, Provider: n.Provider, ProviderReference: n.Reference})
		if err == nil {
			p = payment(known.Payment, known.RefundedMinor)
			return checkSamePayment(p, invoiceID, n)
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("look up payment: %w", err)
		}
		if err := checkPayable(ctx, q, row, n); err != nil {
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

func checkSamePayment(p Payment, invoiceID uuid.UUID, n NewPayment) error {
	if p.InvoiceID != invoiceID || p.AmountMinor != n.AmountMinor {
		return referenceConflict("payment")
	}
	return nil
}

// referenceConflict returns a conflict for a reference that the provider has used for another
// payment or refund. It does not identify that one.
func referenceConflict(what string) error {
	err := care.Errorf(care.Conflict, "the provider's reference was used for another %s", what)
	err.Fields = []care.FieldError{{Field: "reference", Message: "was used for another " + what}}
	return err
}

// checkPayable returns nil if the payment can be made. For a payment from credit it locks the
// patient's credit.
func checkPayable(ctx context.Context, q *db.Queries, row db.Invoice, n NewPayment) error {
	if err := checkOwed(row); err != nil || n.Provider != creditProvider {
		return err
	}
	if balance := amountsOf(row).balance(); n.AmountMinor > balance {
		return conflict("amountMinor", "must be at most %d, the balance of the invoice, for a payment from credit", balance)
	}
	credit, err := lockCredit(ctx, q, row)
	if err != nil {
		return err
	}
	if n.AmountMinor > credit {
		return conflict("amountMinor", "must be at most %d, the patient's credit at the clinic in %s", max(0, credit), row.Currency)
	}
	return nil
}

// lockCredit returns the credit of the invoice's patient and locks it until the transaction ends.
func lockCredit(ctx context.Context, q *db.Queries, row db.Invoice) (int64, error) {
	if err := q.CreditLock(ctx, db.CreditLockParams{ClinicID: row.ClinicID, PatientID: row.PatientID, Currency: row.Currency}); err != nil {
		return 0, fmt.Errorf("lock credit: %w", err)
	}
	credit, err := q.CreditBalance(ctx, db.CreditBalanceParams{ClinicID: row.ClinicID, PatientID: row.PatientID, Currency: row.Currency})
	if err != nil {
		return 0, fmt.Errorf("read credit: %w", err)
	}
	return credit, nil
}

func pay(ctx context.Context, tx pgx.Tx, cmd care.Command, row db.Invoice, n NewPayment) (Payment, error) {
	q := db.New(tx)
	inserted, err := q.PaymentInsert(ctx, db.PaymentInsertParams{
		ID: uuid.Must(uuid.NewV7()), InvoiceID: row.ID, ClinicID: row.ClinicID, AmountMinor: n.AmountMinor, Provider: n.Provider,
		ProviderReference: n.Reference, FromCredit: n.Provider == creditProvider, ReceivedBy: cmd.Actor.ID,
	})
	if err != nil {
		return Payment{}, fmt.Errorf("insert payment: %w", err)
	}
	a := amountsOf(row)
	a.pay(n.AmountMinor)
	paid, err := settle(ctx, q, cmd, row.ID, a, 1)
	if err != nil {
		return Payment{}, err
	}
	return payment(inserted, 0), outbox.Append(ctx, tx, settlingEvent(cmd, "payment_received", row, paid, eventIDs{payment: &inserted.ID}))
}
