package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
	"carewire/internal/httpapi"
)

// registerPayments adds the routes for payments, which providers or the desk report. A repeated
// report returns 200 and the first payment.
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
		ID: "record-payment", Method: http.MethodPost, Path: invoicesPath + "/{id}/payments",
		Tag: "billing", Action: care.PaymentWrite,
		Status:  http.StatusCreated,
		Summary: "Record a payment",
		Description: "Records a payment of an invoice. An amount above its balance becomes the " +
			"patient's credit at the clinic in that currency; the provider `credit` pays from " +
			"it. Repeating a provider, reference and amount returns the first payment, with 200. " +
			"Returns 409 if the reference belongs to another payment of the clinic, or if a " +
			"payment from credit exceeds the credit or the balance. Cash and credit need no " +
			"reference: without one, each request is a new payment unless it has the same " +
			"Idempotency-Key.",
		Also:     map[int]string{http.StatusOK: "This payment was already recorded; nothing changed."},
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *payInput) (*payOutput, error) {
		in.Body.Fallback = keyReference(httpapi.CommandOf(ctx))
		p, first, err := service.Pay(ctx, httpapi.CommandOf(ctx), in.ID, in.Body)
		return &payOutput{createdOr200(first), p}, err
	}, func(ctx context.Context, in *payInput, _ *care.ReplayError) (*payOutput, error) {
		// The reference identifies the payment.
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
		ID: "record-refund", Method: http.MethodPost, Path: "/api/billing/payments/{id}/refunds",
		Tag: "billing", Action: care.PaymentWrite,
		Status:  http.StatusCreated,
		Summary: "Record a refund",
		Description: "Records a refund of a payment by its provider. Unless `reopen` is true, so " +
			"that the amount is owed again, a credit note for it is issued in the same " +
			"transaction, which keeps the balance. It has the lines of the invoice if it credits " +
			"the whole invoice, otherwise one line for each of its tax rates. To use your own " +
			"credit note, issue it first: the excess payment is then refunded without another. " +
			"Repeating a reference, amount and `reopen` returns the first refund, with 200. " +
			"Returns 409 if the reference belongs to another refund, or if the amount exceeds " +
			"the rest of the payment.",
		Also:     map[int]string{http.StatusOK: "This refund was already recorded; nothing changed."},
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *refundInput) (*refundOutput, error) {
		in.Body.Fallback = keyReference(httpapi.CommandOf(ctx))
		r, first, err := service.Refund(ctx, httpapi.CommandOf(ctx), in.ID, in.Body)
		return &refundOutput{createdOr200(first), r}, err
	}, func(ctx context.Context, in *refundInput, _ *care.ReplayError) (*refundOutput, error) {
		r, _, err := service.Refund(ctx, httpapi.CommandOf(ctx), in.ID, in.Body)
		return &refundOutput{http.StatusCreated, r}, err
	})
}

// keyReference returns the reference of a payment or refund without one: it is derived from the
// Idempotency-Key and the request, so that the same request under the same key finds it again.
// Without a key it is empty.
func keyReference(cmd care.Command) string {
	if cmd.Key == "" {
		return ""
	}
	return uuid.NewSHA1(uuid.NameSpaceOID, append([]byte(cmd.Actor.ID+"\n"+cmd.Key+"\n"), cmd.RequestHash...)).String()
}
