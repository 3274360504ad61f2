package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/tracing"
)

// send calls the admitted provider. After each certain no it goes on at once to the next provider
// that admits the message, until one gives another answer, none is left or failoverTimeout is over.
// It never goes on after an answer that leaves open whether the message was accepted, so that no
// message is sent twice. It returns the answer of the last provider that was called; the devices
// that are gone are those of all calls.
func (w *Worker) send(ctx context.Context, a *attempt, m Message, permission *pass) (Receipt, error) {
	began := time.Now()
	var called []*Provider
	var gone []uuid.UUID
	var throttled *Error
	for {
		receipt, err := w.call(ctx, m, permission.provider)
		permission.finish(receipt, err)
		called = append(called, permission.provider)
		gone = append(gone, receipt.Gone...)
		receipt.Gone = gone
		a.span.Set(tracing.String("carewire.provider", permission.provider.name))
		if !certainNo(err) {
			return receipt, err
		}
		throttled = sooner(throttled, err)
		next := w.moveOn(ctx, a, called, began)
		if next == nil {
			return receipt, restOf(throttled, err)
		}
		permission = next
	}
}

// certainNo reports whether the error means that the provider certainly did not accept the message,
// and that another one may.
func certainNo(err error) bool {
	if err == nil {
		return false
	}
	class := classify(err).Class
	return class == ClassTransient || class == ClassThrottled
}

// sooner returns the throttled answer after which a provider can be called again first.
func sooner(throttled *Error, err error) *Error {
	e := classify(err)
	if e.Class != ClassThrottled || (throttled != nil && throttled.RetryAfter <= e.RetryAfter) {
		return throttled
	}
	return e
}

// restOf returns the error of an attempt in which every call was a certain no, with the code of the
// last one. If a provider only asked for fewer calls, the attempt is not used up: that provider
// takes the message later.
func restOf(throttled *Error, last error) error {
	if throttled != nil {
		return Throttled(classify(last).Code, throttled.RetryAfter)
	}
	return last
}

// moveOn admits the message to the next provider and records it in the delivery before the call, so
// that an interrupted attempt shows which provider may have the message. It returns nil if there is
// none, or the attempt has to end.
func (w *Worker) moveOn(ctx context.Context, a *attempt, called []*Provider, began time.Time) *pass {
	left := failoverTimeout - time.Since(began)
	if left <= 0 || w.isDraining() {
		return nil
	}
	next := w.routes[a.Channel].next(called)
	if next == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	err := w.recordMove(ctx, a, next.name())
	if err == nil && ctx.Err() == nil {
		return next
	}
	next.finish(Receipt{}, errNotCalled)
	if err != nil {
		w.cfg.Logger.WarnContext(ctx, "delivery not moved on to the next provider", "delivery_id", a.ID, "provider", next.name(), "error", postgres.SafeError(err))
	}
	return nil
}

// errAttemptLost reports that another run has taken over the delivery.
var errAttemptLost = errors.New("the attempt belongs to another run")

// recordMove writes the provider that is called next.
func (w *Worker) recordMove(ctx context.Context, a *attempt, provider string) error {
	n, err := w.queries.DeliveryMove(ctx, db.DeliveryMoveParams{
		ID: a.ID, Channel: a.Channel, Attempt: a.Attempt, Run: a.run, Provider: provider,
	})
	if err == nil && n == 0 {
		return errAttemptLost
	}
	return err
}

// isDraining reports whether Drain was called.
func (w *Worker) isDraining() bool {
	select {
	case <-w.draining:
		return true
	default:
		return false
	}
}

// call calls the provider once. The receipt has the provider's configured name.
func (w *Worker) call(ctx context.Context, m Message, p *Provider) (receipt Receipt, err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, w.cfg.AttemptTimeout)
	defer cancel()
	ctx, span := tracing.StartClientSpan(ctx, "send "+m.Channel, tracing.String("carewire.channel", m.Channel), tracing.String("carewire.provider", p.name))
	defer func() {
		// After a panic during the call it is unknown whether the message was sent.
		if v := recover(); v != nil {
			w.cfg.Logger.ErrorContext(ctx, "notifier panicked", "delivery_id", m.DeliveryID, "provider", p.name, "panic_type", fmt.Sprintf("%T", v), "stack", stack())
			err = Uncertain("panic")
		}
		receipt.Provider = p.name
		w.cfg.ObserveCall(m.Channel, p.name, callResult(err), time.Since(began))
		endSpan(span, err)
	}()
	return p.notifier.Notify(tracing.Detach(ctx), m)
}

// callAccepted is the result of a call without an error.
const callAccepted = "accepted"

// CallResults are the results that ObserveCall is called with.
var CallResults = []string{callAccepted, string(ClassPermanent), string(ClassTransient), string(ClassThrottled), string(ClassUncertain)}

// callResult returns the result of a call as ObserveCall reports it.
func callResult(err error) string {
	if err == nil {
		return callAccepted
	}
	return string(classify(err).Class)
}
