package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
	"carewire/internal/httpapi"
)

// registerPayments adds what a payment's provider, or the desk, tells. What is told again is answered with 200 and what the
// first telling made.
func registerPayments(api *httpapi.Server, service *billing.Service) {
	type payInput struct {
		ID   uuid.UUID `path:"id" format:"uuid"`
		Body billing.NewPayment
	}
	type payOutput struct {
		Status int
		Body   billing.Payment
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "record-payment", Method: http.MethodPost, Path: invoicesPath + "/{id}/payments", Tag: "billing", Action: care.PaymentWrite,
		Status:      http.StatusCreated,
		Summary:     "Record a payment",
		Description: "Records money received for an invoice. What exceeds its balance becomes the patient's credit at the clinic in the currency; the provider `credit` pays out of that. The same provider, reference and amount again give the payment that was recorded first, with 200. A reference that stands for another payment of the clinic, and more from credit than there is or is owed, are refused with 409. Cash and credit need no reference: without one, each request is a payment of its own unless it has the same Idempotency-Key.",
		Also:        map[int]string{http.StatusOK: "This payment was recorded before: nothing changed."},
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *payInput) (*payOutput, error) {
		in.Body.Fallback = keyReference(httpapi.CommandOf(ctx))
		p, first, err := service.Pay(ctx, httpapi.CommandOf(ctx), in.ID, in.Body)
		return &payOutput{createdOr200(first), p}, err
	}, func(ctx context.Context, in *payInput, _ *care.ReplayError) (*payOutput, error) {
		// The reference finds the payment that was recorded.
		p, _, err := service.Pay(ctx, httpapi.CommandOf(ctx), in.ID, in.Body)
		return &payOutput{http.StatusCreated, p}, err
	})
}

func registerRefunds(api *httpapi.Server, service *billing.Service) {
	type refundInput struct {
		ID   uuid.UUID `path:"id" format:"uuid"`
		Body billing.NewRefund
	}
	type refundOutput struct {
		Status int
		Body   billing.Refund
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "record-refund", Method: http.MethodPost, Path: "/api/billing/payments/{id}/refunds", Tag: "billing", Action: care.PaymentWrite,
		Status:      http.StatusCreated,
		Summary:     "Record a refund",
		Description: "Records that money of a payment was given back by its provider. Unless `reopen` says that it is owed again, a credit note over it is issued in the same transaction, so that nothing more is owed than before; it has the lines of the invoice where it credits all of it, else a line for each of its tax rates. For a credit note of your own, issue it first: what it leaves of the payments is then refunded without another. The same reference, amount and `reopen` again give the refund that was recorded first, with 200. A reference that stands for another refund, or more than is left of the payment, is refused with 409.",
		Also:        map[int]string{http.StatusOK: "This refund was recorded before: nothing changed."},
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *refundInput) (*refundOutput, error) {
		in.Body.Fallback = keyReference(httpapi.CommandOf(ctx))
		r, first, err := service.Refund(ctx, httpapi.CommandOf(ctx), in.ID, in.Body)
		return &refundOutput{createdOr200(first), r}, err
	}, func(ctx context.Context, in *refundInput, _ *care.ReplayError) (*refundOutput, error) {
		r, _, err := service.Refund(ctx, httpapi.CommandOf(ctx), in.ID, in.Body)
		return &refundOutput{http.StatusCreated, r}, err
	})
}

// keyReference is the reference of a payment or refund that is given none and has an Idempotency-Key: the same request under
// the same key has the same one, so that it is found again. Without a key it is empty.
func keyReference(cmd care.Command) string {
	if cmd.Key == "" {
		return ""
	}
	return uuid.NewSHA1(uuid.NameSpaceOID, append([]byte(cmd.Actor.ID+"\n"+cmd.Key+"\n"), cmd.RequestHash...)).String()
}
