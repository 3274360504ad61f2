package notify

import (
	"context"
	"time"

	"carewire/internal/tracing"
)

// startSpan starts the span of this attempt in the event's trace.
func (w *Worker) startSpan(ctx context.Context, a *attempt, began time.Time) (context.Context, tracing.Span) {
	if !w.cfg.Tracer.Sampled(a.Traceparent) {
		return ctx, tracing.Span{}
	}
	ctx, a.span = w.cfg.Tracer.Continue(ctx, a.Traceparent, "deliver "+a.Channel, began,
		tracing.String("carewire.channel", a.Channel), tracing.String("carewire.delivery.id", a.ID.String()),
		tracing.String("carewire.event.id", a.EventID.String()), tracing.String("carewire.priority", a.Priority),
		tracing.Int("carewire.attempt", a.Attempt))
	return ctx, a.span
}

// endSpan records the provider's answer and ends the span.
func endSpan(span tracing.Span, err error) {
	if span.Recording() {
		if err != nil {
			e := classify(err)
			span.Set(tracing.String("carewire.outcome", string(e.Class)), tracing.String("carewire.code", e.Code))
			span.Fail(e.Code)
		} else {
			span.Set(tracing.String("carewire.outcome", "accepted"))
		}
	}
	span.End()
}
