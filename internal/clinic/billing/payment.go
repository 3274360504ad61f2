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
	// cashProvider is the desk itself: it may have no name for a payment.
	cashProvider = "cash"
	// creditProvider is the patient's credit at the clinic.
	creditProvider = "credit"
)

// unnamed reports whether the provider's payments and refunds need no reference: one is generated.
func referenceOptional(provider string) bool { return provider == cashProvider || provider == creditProvider }

// newReference returns a reference that stands for nothing yet.
func newReference() string { return uuid.Must(uuid.NewV7()).String() }

// Pay records a payment, with billing.payment_received. What exceeds the balance is the patient's credit at the clinic in the
// invoice's currency; the provider "credit" draws on that. The same provider, reference and amount for the same invoice give
// the first payment back, and first is false. Errors: care.Invalid by field, care.NotFound, care.Forbidden, and care.Conflict
// for a reference that stands for another payment of the clinic, for more from credit than there is or is owed, and for an
// invoice that is void or a draft.
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

// taken refuses a reference that the provider gave to something else. It does not tell to what.
func referenceConflict(what string) error {
	err := care.Errorf(care.Conflict, "the provider's reference stands for another %s", what)
	err.Fields = []care.FieldError{{Field: "reference", Message: "stands for another " + what + ": of another amount, or elsewhere"}}
	return err
}

// payable returns nil where the invoice can be paid so. For a payment from credit it takes the lock of the patient's credit.
func checkPayable(ctx context.Context, q *db.Queries, row db.Invoice, n NewPayment) error {
	if err := checkOwed(row); err != nil || n.Provider != creditProvider {
		return err
	}
	if balance := amountsOf(row).balance(); n.AmountMinor > balance {
		return conflict("amountMinor", "must be at most %d, the balance of the invoice: credit pays no more than is owed", balance)
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

// lockCredit returns the credit of the invoice's patient, which nobody else draws on until this transaction ends.
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
	if row, err = settle(ctx, q, cmd, row.ID, a, 1); err != nil {
		return Payment{}, err
	}
	return payment(inserted, 0), outbox.Append(ctx, tx, invoiceEvent(cmd, "payment_received", row, eventIDs{payment: &inserted.ID}))
}
